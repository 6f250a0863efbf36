#define ISA baseline
#define CAROUSEL_ISA_NAME "baseline"
#define CAROUSEL_VECTOR_BYTES 16
#define CAROUSEL_REGISTERS 16

#include "kernels.inc"
