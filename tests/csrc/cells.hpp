// Stands in for the generated file: one cell by hand, h_t = W x_t + U h_{t-1} + b, whose every number can be worked out.

template <class T>
void linear_forward([[maybe_unused]] const Rows<T>* operands, Index rows, Index width, Index) {
  const Rows<T> sum = operands[0], h = operands[2];
  sweep<T>(rows, width, [=](auto at) { at.store(h, at.load(sum)); });
}

template <class T>
void linear_backward([[maybe_unused]] const Rows<T>* operands, Index rows, Index width, Index) {
  const Rows<T> carried = operands[3], here = operands[4], delta = operands[5];
  sweep<T>(rows, width, [=](auto at) { at.store(delta, at.load(carried) + at.load(here)); });
}

template <class T>
constexpr Elementwise<T>* linear_forward_phases[] = {linear_forward<T>};

template <class T>
constexpr Elementwise<T>* linear_backward_phases[] = {linear_backward<T>};

template <class T>
constexpr CellKernels<T> cells[] = {{"linear", linear_forward_phases<T>, linear_backward_phases<T>}};
