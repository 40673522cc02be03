/* fault_vfs: see the header. */
#include "tests/shared/store/fault_vfs.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file {
    sqlite3_file base;
    sqlite3_file *real;
    int number; /* as in struct fault_op; -1: let alone */
};

static sqlite3_vfs vfs, *real_vfs;
static atomic_int write_code, sync_code, sync_delay_us, sync_count;
static _Atomic int64_t room; /* bytes that may still be written, when is_bounded */
static atomic_bool is_bounded, is_noting, is_pretending;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct fault_op *ops;
static size_t op_count, op_cap;

static void note(struct fault_op op, const void *bytes)
{
    if (!is_noting)
        return;
    pthread_mutex_lock(&lock);
    if (op_count == op_cap) {
        op_cap = op_cap == 0 ? 1024 : op_cap * 2;
        ops = realloc(ops, op_cap * sizeof *ops);
        assert(ops != NULL);
    }
    if (bytes != NULL) {
        op.bytes = malloc(op.len);
        assert(op.bytes != NULL);
        memcpy(op.bytes, bytes, op.len);
    }
    ops[op_count++] = op;
    pthread_mutex_unlock(&lock);
}

#define FILE_OF(f) ((struct file *)(f))
#define REAL(f)    (FILE_OF(f)->real)

static int file_close(sqlite3_file *f)
{
    return REAL(f)->pMethods->xClose(REAL(f));
}

static int file_read(sqlite3_file *f, void *to, int len, sqlite3_int64 offset)
{
    return REAL(f)->pMethods->xRead(REAL(f), to, len, offset);
}

static int file_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 offset)
{
    int number = FILE_OF(f)->number;
    if (number >= 0 && write_code != 0)
        return write_code;
    if (number >= 0 && is_bounded && atomic_fetch_sub(&room, len) < len)
        return SQLITE_FULL;
    int rc = REAL(f)->pMethods->xWrite(REAL(f), from, len, offset);
    if (rc == SQLITE_OK && number >= 0)
        note((struct fault_op){.kind = FAULT_WRITE, .file = number, .offset = offset, .len = (size_t)len},
             from);
    return rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = REAL(f)->pMethods->xTruncate(REAL(f), size);
    if (rc == SQLITE_OK && FILE_OF(f)->number >= 0)
        note((struct fault_op){.kind = FAULT_TRUNCATE, .file = FILE_OF(f)->number, .offset = size}, NULL);
    return rc;
}

static int file_sync(sqlite3_file *f, int flags)
{
    int number = FILE_OF(f)->number;
    if (number >= 0) {
        sync_count++;
        if (sync_delay_us > 0)
            usleep((useconds_t)sync_delay_us);
        if (sync_code != 0)
            return sync_code;
    }
    int rc = number >= 0 && is_pretending ? SQLITE_OK : REAL(f)->pMethods->xSync(REAL(f), flags);
    if (rc == SQLITE_OK && number >= 0)
        note((struct fault_op){.kind = FAULT_SYNC, .file = number}, NULL);
    return rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return REAL(f)->pMethods->xFileSize(REAL(f), ret);
}

static int file_lock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xLock(REAL(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), level);
}

static int file_check_lock(sqlite3_file *f, int *ret)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), ret);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}

static int file_device(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, ret);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return REAL(f)->pMethods->xShmLock(REAL(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}

static int file_shm_unmap(sqlite3_file *f, int removes)
{
    return REAL(f)->pMethods->xShmUnmap(REAL(f), removes);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct file *file = FILE_OF(f);
    (void)self;
    file->real = (sqlite3_file *)(file + 1);
    bool is_ours = name != NULL && strstr(name, "records") != NULL;
    file->number = !is_ours ? -1 : flags & SQLITE_OPEN_MAIN_DB ? 0 : flags & SQLITE_OPEN_WAL ? 1 : -1;
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
    f->pMethods = file->real->pMethods == NULL ? NULL : &methods;
    return rc;
}

void fault_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find("unix");
    assert(real_vfs != NULL);
    vfs = *real_vfs;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    int rc = sqlite3_vfs_register(&vfs, 1);
    assert(rc == SQLITE_OK);
}

void fault_vfs_remove(void)
{
    fault_vfs_fail_writes(0);
    fault_vfs_fail_syncs(0);
    fault_vfs_delay_syncs(0);
    fault_vfs_bound_writes(0);
    is_noting = is_pretending = false;
    sqlite3_vfs_unregister(&vfs);
    sqlite3_vfs_register(real_vfs, 1);
    for (size_t i = 0; i < op_count; i++)
        free(ops[i].bytes);
    free(ops);
    ops = NULL;
    op_count = op_cap = 0;
}

void fault_vfs_fail_writes(int code)
{
    write_code = code;
}

void fault_vfs_fail_syncs(int code)
{
    sync_code = code;
}

void fault_vfs_delay_syncs(int delay_us)
{
    sync_delay_us = delay_us;
}

void fault_vfs_bound_writes(int64_t bytes)
{
    room = bytes;
    is_bounded = bytes > 0;
}

void fault_vfs_pretend_syncs(bool pretends)
{
    is_pretending = pretends;
}

int fault_vfs_syncs(void)
{
    return sync_count;
}

void fault_vfs_note(bool notes)
{
    is_noting = notes;
}

void fault_vfs_mark(int mark)
{
    note((struct fault_op){.kind = FAULT_MARK, .mark = mark}, NULL);
}

const struct fault_op *fault_vfs_ops(size_t *ret_count)
{
    *ret_count = op_count;
    return ops;
}
