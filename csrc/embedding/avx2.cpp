#define CAROUSEL_BODY "../embedding/kernels.inc"
#include "../isa/avx2.cpp"
