#define ISA avx512
#define CAROUSEL_ISA_NAME "avx512"
#define CAROUSEL_VECTOR_BYTES 64
#define CAROUSEL_REGISTERS 32

#include "kernels.inc"
