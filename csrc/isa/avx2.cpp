#define ISA avx2
#define CAROUSEL_ISA_NAME "avx2"
#define CAROUSEL_VECTOR_BYTES 32
#define CAROUSEL_REGISTERS 16

#include "kernels.inc"
