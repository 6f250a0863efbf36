#define ISA avx512
#define CAROUSEL_ISA_NAME "avx512"
#define CAROUSEL_VECTOR_BYTES 64
#define CAROUSEL_REGISTERS 32

#ifndef CAROUSEL_BODY  // "cell.inc" when a user's cell is compiled
#define CAROUSEL_BODY "kernels.inc"
#endif
#include CAROUSEL_BODY
