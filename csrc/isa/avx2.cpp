#define ISA avx2
#define CAROUSEL_ISA_NAME "avx2"
#define CAROUSEL_VECTOR_BYTES 32
#define CAROUSEL_REGISTERS 16

#ifndef CAROUSEL_BODY  // "cell.inc" when a user's cell is compiled
#define CAROUSEL_BODY "kernels.inc"
#endif
#include CAROUSEL_BODY
