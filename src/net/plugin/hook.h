#pragma once
/*
 * A built-in plugin as OCI hook: the container's state (runtime-spec 1.3, runtime.md#state) on standard input. With a process
 * that lives (prestart, createRuntime) its network namespace gets an interface eth0, with one that is stopped (poststop) the
 * address and the rules are given back; the interface has gone with the namespace.
 */

/*
 * `file`: a plugin's configuration; NULL: the bridge netns0, 172.19.0.0/16, with masquerade and addresses by host-local, as
 * the netns tool had it. Returns the exit code; words go to standard error.
 */
int cni_hook(const char *file);
