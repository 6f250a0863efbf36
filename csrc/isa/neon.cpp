#define ISA neon
#define CAROUSEL_ISA_NAME "neon"
#define CAROUSEL_VECTOR_BYTES 16
#define CAROUSEL_REGISTERS 32

#include "kernels.inc"
