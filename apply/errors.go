package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Reason says why something that the user asked for is not done although the API server would do it, or why it cannot be done
// on this cluster as it is.
type Reason string

// The reasons of a RefusedError.
const (
	Foreign     Reason = "foreign"      // an object of that name is there and is not ours
	OtherSet    Reason = "other-set"    // an object of that name belongs to another set
	Conflict    Reason = "conflict"     // another field manager owns fields that we would set
	Clash       Reason = "clash"        // an object of others about the same host, or on the same port of the gateway (rules R7, R20, R53)
	Terminating Reason = "terminating"  // an object of that name is being deleted
	NoNamespace Reason = "no-namespace" // the namespace does not exist
	NoSet       Reason = "no-set"       // there is no set of that name
	OtherHosts  Reason = "other-hosts"  // a set of the same default name has none of the hosts
	Meanwhile   Reason = "meanwhile"    // somebody else changed the object between plan and write
)

// RefusedError is a request that the state of the cluster does not admit. Nothing was written because of it. Its message is
// one line that names the objects and the remedy.
type RefusedError struct {
	Reason Reason
	Refs   []Ref // the objects in the way, sorted as planned
	Msg    string
	Err    error // what the API server said, if it was it who refused
}

// Error is the line for the user.
func (e *RefusedError) Error() string { return e.Msg }

// Unwrap gives what the API server said.
func (e *RefusedError) Unwrap() error { return e.Err }

// several is more than one error in one line.
type several []error

// Error joins the lines.
func (s several) Error() string {
	lines := make([]string, 0, len(s))
	for _, e := range s {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "; ")
}

// Unwrap lets errors.Is and errors.As see all of them.
func (s several) Unwrap() []error { return s }

// collect keeps errors that tell users something new.
func collect(errs []error) error {
	var told []error
	var rights []string
	for _, err := range errs {
		var e *kube.Error
		if errors.As(err, &e) && errors.Is(err, kube.ErrForbidden) {
			if slices.Contains(rights, e.Right()) {
				continue
			}
			rights = append(rights, e.Right())
		}
		told = append(told, err)
	}
	if len(told) == 1 {
		return told[0]
	}
	return several(told)
}

// final says that asking again cannot help.
func final(err error) bool {
	return errors.Is(err, kube.ErrForbidden) || errors.Is(err, kube.ErrConflict) || errors.Is(err, kube.ErrInvalid) ||
		errors.Is(err, kube.ErrUnauthorized) || errors.Is(err, kube.ErrReadOnly) || errors.Is(err, kube.ErrAbsent)
}

// names lists objects for a message: at most five, then how many more.
func names(refs []Ref) string {
	const most = 5
	var parts []string
	for i, r := range refs {
		if i == most {
			return fmt.Sprintf("%s and %d more", strings.Join(parts, ", "), len(refs)-most)
		}
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}
