/* pack: a compressed body. */
#include "pack.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW_BITS = 15 + 16, ZLIB_WINDOW_BITS = 15, MEMORY_LEVEL = 8, STEP_BYTES = 16 * 1024 };

struct pack {
    z_stream zlib;
};

struct pack *pack_new(enum compression compression)
{
    struct pack *pack = calloc(1, sizeof *pack);
    if (pack == NULL)
        return NULL;
    int bits = compression == COMPRESS_GZIP ? GZIP_WINDOW_BITS : ZLIB_WINDOW_BITS;
    if (deflateInit2(&pack->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(pack);
        return NULL;
    }
    return pack;
}

void pack_free(struct pack *pack)
{
    if (pack == NULL)
        return;
    (void)deflateEnd(&pack->zlib); /* it complains of what was not finished */
    free(pack);
}

void pack_put(struct pack *pack, struct span part, bool is_last, struct text *out)
{
    pack->zlib.next_in = (unsigned char *)(uintptr_t)part.ptr; /* zlib only reads it */
    pack->zlib.avail_in = (unsigned)part.len;
    do {
        char *at = text_extend(out, STEP_BYTES);
        if (at == NULL)
            return;
        pack->zlib.next_out = (unsigned char *)at;
        pack->zlib.avail_out = STEP_BYTES;
        int rc = deflate(&pack->zlib, is_last ? Z_FINISH : Z_SYNC_FLUSH);
        assert(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR); /* nothing more to do is no error */
        out->len -= pack->zlib.avail_out;
    } while (pack->zlib.avail_out == 0);
}
