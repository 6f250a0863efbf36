#define ISA baseline
#define CAROUSEL_ISA_NAME "baseline"
#define CAROUSEL_VECTOR_BYTES 16
#define CAROUSEL_REGISTERS 16

#ifndef CAROUSEL_BODY  // "cell.inc" when a user's cell is compiled
#define CAROUSEL_BODY "kernels.inc"
#endif
#include CAROUSEL_BODY
