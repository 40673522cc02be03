#ifndef FAKELLM_ROUTE_H
#define FAKELLM_ROUTE_H

#include "http.h"
#include "protocol.h"

/* route: which API a path belongs to, and what it says of the request. */

enum { ROUTE_MODEL_BYTES = 256 /* a name in a path; longer ones are no path */ };

struct route {
    enum protocol protocol;
    enum prompt_kind kind;
    char model[ROUTE_MODEL_BYTES]; /* of the path; "": the body names it */
    bool is_stream;                /* the path asks for a stream */
    struct span key;               /* borrowed from the request; ptr is NULL without one */
    const char *problem;           /* what the API would say of the query and the headers; NULL: nothing */
};

enum route_found { ROUTE_NONE, ROUTE_OTHER_METHOD, ROUTE_FOUND };

enum route_found route_find(const struct http_request *req, struct route *ret);

#endif
