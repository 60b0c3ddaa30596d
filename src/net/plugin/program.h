#pragma once
/*
 * A built-in plugin as a program: CNI's environment and standard input in, a document on standard output, an exit code.
 * Source: CNI SPEC.md 1.1.0, section 2; containernetworking/cni pkg/skel.
 */

/* Runs the plugin of that type. Returns the exit code: 0, or 1 behind an error document. */
int cni_program(const char *type);
