//go:build !unix

package plugin

import "os"

// whenSized does nothing where a terminal's change of size is no signal: the next moment is drawn in the new size.
func whenSized(chan<- os.Signal) {}
