/* principal: see the header. */
#include "gateway/auth/principal.h"

/* Our own name space, drawn once at random. */
static const struct uuid end_user_space = {
    {0x6f, 0x1d, 0x2c, 0x5b, 0x90, 0x3a, 0x4e, 0x77, 0xa2, 0x54, 0x1e, 0x0c, 0xd9, 0x83, 0x6b, 0xf1}};

void principal_end_user_id(struct str workspace_id, struct str app_id, struct str type, struct str user,
                           char ret[UUID_TEXT_LEN + 1])
{
    /* Each part enters as a UUID of the parts before it, so no separator can be forged by a user's text. */
    struct uuid id = uuid_v5(end_user_space, workspace_id);
    id = uuid_v5(id, app_id);
    id = uuid_v5(id, type);
    uuid_format(uuid_v5(id, user), ret);
}
