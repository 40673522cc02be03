/* process_metrics: see the header. Source: proc(5), mallinfo(3). */
#include "shared/base/process_metrics.h"

#include "shared/base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

/* One registry a process: the main thread fills it before anybody reads. */
static struct {
    struct metric *cpu, *resident, *virtual, *open_fds, *max_fds, *start, *threads, *heap, *dropped;
} own;

/* The whole of a small file; "" when it cannot be read. */
static struct str read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, to, size);
    if (fd >= 0)
        close(fd);
    return (struct str){to, len > 0 ? (size_t)len : 0};
}

/* Fields of /proc/self/stat from the third on: the second, in brackets, may hold anything. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_THREADS = 17, STAT_START = 19, STAT_VSIZE = 20, STAT_RSS = 21 };

static bool read_stat(uint64_t fields[STAT_RSS + 1])
{
    char text[1024];
    struct str rest = read_file("/proc/self/stat", text, sizeof text), field;
    size_t at = rest.len;
    while (at > 0 && rest.ptr[at - 1] != ')')
        at--;
    rest = str_sub(rest, at + 1, rest.len);
    size_t count = 0;
    while (count <= STAT_RSS && str_split(&rest, ' ', &field)) {
        if (!str_to_u64(field, &fields[count]))
            fields[count] = 0; /* the state, or a negative one: not ours */
        count++;
    }
    return count > STAT_RSS;
}

/* Unix time of the system's start, in seconds; 0: not known. */
static uint64_t boot_seconds(void)
{
    static char text[64 * 1024]; /* main thread only */
    struct str rest = read_file("/proc/stat", text, sizeof text), line;
    uint64_t seconds = 0;
    while (str_split(&rest, '\n', &line)) {
        if (str_starts(line, STR("btime ")) && str_to_u64(str_sub(line, 6, line.len), &seconds))
            return seconds;
    }
    return 0;
}

static int64_t count_fds(void)
{
    int64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1; /* the folder itself */
}

static void set(struct metric *metric, int64_t value)
{
    metric_set(metric_only(metric), value);
}

static void collect(void *arg)
{
    (void)arg;
    uint64_t fields[STAT_RSS + 1];
    int64_t ticks = sysconf(_SC_CLK_TCK);
    if (read_stat(fields)) {
        set(own.cpu, (int64_t)(fields[STAT_UTIME] + fields[STAT_STIME]) * 1000 / ticks);
        set(own.resident, (int64_t)fields[STAT_RSS] * sysconf(_SC_PAGESIZE));
        set(own.virtual, (int64_t)fields[STAT_VSIZE]);
        set(own.threads, (int64_t)fields[STAT_THREADS]);
    }
    set(own.open_fds, count_fds());
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        set(own.max_fds, files.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)files.rlim_cur);
    struct mallinfo2 heap = mallinfo2();
    set(own.heap, (int64_t)(heap.uordblks + heap.hblkhd));
    set(own.dropped, (int64_t)log_lines_dropped());
}

static enum status_code add_build_info(struct metrics *metrics, const char *component, struct status *err)
{
    struct metric *info;
    const struct metric_options options = {.name = "heddle_build_info",
                                           .help = "Always 1; the labels say which program this is.",
                                           .kind = METRIC_GAUGE,
                                           .labels = {"component", "version"},
                                           .label_count = 2};
    if (metrics_add(metrics, &options, &info, err) != STATUS_OK)
        return err->code;
    metric_set(METRIC_CHILD(info, str_c(component), STR(HEDDLE_VERSION)), 1);
    return STATUS_OK;
}

enum status_code process_metrics_add(struct metrics *metrics, const char *component, struct status *err)
{
    const struct metric_row rows[] = {
        {&own.cpu,
         {.name = "process_cpu_seconds_total",
          .help = "CPU time, user and system.",
          .kind = METRIC_COUNTER,
          .per_unit = 1000}},
        {&own.resident,
         {.name = "process_resident_memory_bytes", .help = "Memory in RAM.", .kind = METRIC_GAUGE}},
        {&own.virtual,
         {.name = "process_virtual_memory_bytes", .help = "Address space.", .kind = METRIC_GAUGE}},
        {&own.open_fds, {.name = "process_open_fds", .help = "Open file descriptors.", .kind = METRIC_GAUGE}},
        {&own.max_fds,
         {.name = "process_max_fds", .help = "File descriptors that may be open.", .kind = METRIC_GAUGE}},
        {&own.start,
         {.name = "process_start_time_seconds",
          .help = "Unix time of the start.",
          .kind = METRIC_GAUGE,
          .per_unit = 1000}},
        {&own.threads, {.name = "process_threads", .help = "Threads.", .kind = METRIC_GAUGE}},
        {&own.heap,
         {.name = "heddle_heap_used_bytes",
          .help = "Memory that the process has allocated and not given back.",
          .kind = METRIC_GAUGE}},
        {&own.dropped,
         {.name = "heddle_log_lines_dropped_total",
          .help = "Lines of the log that nobody took in time.",
          .kind = METRIC_COUNTER}},
    };
    if (metrics_add_rows(metrics, rows, ARRAY_LEN(rows), err) != STATUS_OK)
        return err->code;
    uint64_t fields[STAT_RSS + 1];
    if (read_stat(fields))
        set(own.start,
            (int64_t)(boot_seconds() * 1000 + fields[STAT_START] * 1000 / (uint64_t)sysconf(_SC_CLK_TCK)));
    if (add_build_info(metrics, component, err) != STATUS_OK)
        return err->code;
    return metrics_collect(metrics, collect, NULL, err);
}
