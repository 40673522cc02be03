#ifndef FAKELLM_PACK_H
#define FAKELLM_PACK_H

#include "rule.h"

/* pack: a compressed body. Each part can be read as soon as it has arrived. */
struct pack;

/* NULL: no memory. */
struct pack *pack_new(enum compression compression);
void pack_free(struct pack *pack);

/* Puts the compressed bytes of the next part; is_last: of all. */
void pack_put(struct pack *pack, struct span part, bool is_last, struct text *out);

#endif
