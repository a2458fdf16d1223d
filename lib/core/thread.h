/* Threads beside the lcores: read-ahead, and those that libraries start.
 *
 * A thread inherits the CPUs and the signal mask of the one that starts it. After rte_eal_init() that is an lcore: a
 * helper started there would share the one CPU that polls. So the CPU set of the process is saved before
 * rte_eal_init(), and helpers get it less the CPUs that poll:
 *
 *   thread_library_cpus_save();
 *   rte_eal_init(...);
 *   thread_library_cpus(&polling, &cpus);
 *   thread_start(&thread, "read-ahead", &cpus, run, argument);
 *
 * Signals belong to the control thread: a thread of thread_start() has all of them blocked but those of its own faults
 * (SIGSEGV and the like), which a debugger or sanitizer wants to see.
 *
 * Threads: save and start from the control thread; thread_library_cpus() from any after that. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <sched.h>

/* 'name' is cut to 15 characters; 'cpus' NULL: those of the caller. 0 or -errno. */
int thread_start(pthread_t *, const char *name, const cpu_set_t *cpus, void *(*run)(void *), void *argument);

/* Remembers the calling thread's CPUs. */
void thread_library_cpus_save(void);

/* The saved set (now's, when nothing was saved) less 'polling', or all of it when nothing would be left. */
void thread_library_cpus(const cpu_set_t *polling, cpu_set_t *out);

#endif
