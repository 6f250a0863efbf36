#define CAROUSEL_BODY "../embedding/kernels.inc"
#include "../isa/baseline.cpp"
