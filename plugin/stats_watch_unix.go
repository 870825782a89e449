//go:build unix

package plugin

import (
	"os"
	"os/signal"
	"syscall"
)

// whenSized has a terminal's change of size told.
func whenSized(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
