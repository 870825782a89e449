// Package terminal runs a program on a terminal of the kernel's own (Linux), types what a user would type, and sees what a user would
// see. Tests use it, and what records the README's picture.
package terminal
