#define CAROUSEL_BODY "../embedding/kernels.inc"
#include "../isa/avx512.cpp"
