#define CAROUSEL_BODY "../embedding/kernels.inc"
#include "../isa/avx512_amx.cpp"
