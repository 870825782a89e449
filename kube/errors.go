package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The ways in which a request can fail that call for different answers. Test with errors.Is.
var (
	ErrForbidden    = errors.New("forbidden")
	ErrAbsent       = errors.New("not found")
	ErrConflict     = errors.New("conflict")  // also: exists already, precondition failed. See ConflictError
	ErrInvalid      = errors.New("refused")   // the API server or one of its webhooks does not accept the object
	ErrTimeout      = errors.New("timed out") // the context's deadline, --request-timeout, the server's own, or it is too busy
	ErrUnauthorized = errors.New("not authenticated")
	ErrUnreachable  = errors.New("cannot reach the API server")
	ErrReadOnly     = errors.New("refused: this command only reads")
	ErrUnlisted     = errors.New("refused: a fault of this program") // it asked for what its table of rights does not have
)

// Error says what was being done to which object and how it failed, in one line.
type Error struct {
	Kind      error  // one of the sentinels, or nil where none fits (the server failed, the caller went away)
	Doing     string // for people, for example "list pods in namespace default"
	Verb      string // the right that is needed, as RBAC names it
	Resource  string // as RBAC names it: pods, pods/exec
	Group     string
	Namespace string // empty: all namespaces, or not namespaced
	Name      string
	Words     string // the API server's own words, in one line
	Err       error  // what client-go or the network said
}

// Error is the line that a user sees. What is wrong with the API server as a whole is told without the object.
func (e *Error) Error() string {
	var parts []string
	if !errors.Is(e.Kind, ErrUnreachable) && !errors.Is(e.Kind, ErrUnauthorized) {
		parts = append(parts, e.Doing)
	}
	if e.Kind != nil && !strings.HasSuffix(e.Words, e.Kind.Error()) { // configmaps "x" not found
		parts = append(parts, e.Kind.Error())
	}
	if e.Words != "" {
		parts = append(parts, e.Words)
	}
	return strings.Join(parts, ": ")
}

// Right names what RBAC has to grant if Kind is ErrForbidden, for example "list gateways.networking.istio.io in namespace default".
func (e *Error) Right() string {
	resource, sub, _ := strings.Cut(e.Resource, "/")
	if e.Group != "" {
		resource += "." + e.Group
	}
	if sub != "" {
		resource += "/" + sub
	}
	if e.Namespace == "" {
		return e.Verb + " " + resource + inAll
	}
	return e.Verb + " " + resource + inNamespace + e.Namespace
}

// How a right ends.
const (
	inAll       = " in all namespaces"
	inNamespace = " in namespace "
)

// Unwrap lets errors.Is see the sentinel and errors.As what lies below.
func (e *Error) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Kind, e.Err}, func(err error) bool { return err == nil })
}

// FieldConflict is one field that somebody else owns.
type FieldConflict struct {
	Manager string // the field manager, for example "kubectl-client-side-apply"
	Field   string // for example ".spec.hosts"
}

// ConflictError says which fields of an object other managers own. errors.As finds it in the error of Apply.
type ConflictError struct {
	Fields []FieldConflict
}

// Error lists the fields and their managers.
func (e *ConflictError) Error() string {
	parts := make([]string, 0, len(e.Fields))
	for _, f := range e.Fields {
		parts = append(parts, fmt.Sprintf("%s is owned by %q", f.Field, f.Manager))
	}
	return strings.Join(parts, ", ")
}

// operation is what a request was about.
type operation struct {
	doing, verb     string // for people, and the RBAC verb
	resource        Resource
	sub             string // subresource
	namespace, name string
}

// object is how people name what the operation is about.
func (o operation) object() string {
	resource := o.resource.Resource
	if o.name != "" {
		resource = singular(resource)
	}
	if o.resource.Group != "" {
		resource += "." + o.resource.Group
	}
	switch {
	case o.name != "" && o.namespace != "":
		return resource + " " + o.namespace + "/" + o.name
	case o.name != "":
		return resource + " " + o.name
	case o.namespace != "":
		return resource + " in namespace " + o.namespace
	}
	return resource + " in all namespaces"
}

// singular covers the plurals that Kubernetes and Istio use.
func singular(plural string) string {
	for _, ending := range []struct{ many, one string }{{"sses", "ss"}, {"ies", "y"}, {"s", ""}} {
		if stem, ok := strings.CutSuffix(plural, ending.many); ok {
			return stem + ending.one
		}
	}
	return plural
}

// fail makes an *Error of whatever a request ended with; nil stays nil.
func (c *Client) fail(ctx context.Context, o operation, err error) error {
	if _, done := errors.AsType[*Error](err); err == nil || done {
		return err
	}
	e := &Error{
		Doing: o.doing + " " + o.object(), Verb: o.verb, Resource: o.resource.Resource, Group: o.resource.Group,
		Namespace: o.namespace, Name: o.name, Err: err,
	}
	if o.sub != "" {
		e.Resource += "/" + o.sub
	}
	v := c.classify(ctx, err)
	e.Kind, e.Words = v.kind, v.words
	if fields := conflicts(err); len(fields) > 0 {
		e.Err = errors.Join(err, &ConflictError{Fields: fields})
		e.Words = (&ConflictError{Fields: fields}).Error()
	}
	if end := ended(ctx); end != nil && !errors.Is(err, end) {
		e.Err = errors.Join(end, e.Err)
	}
	e.Words = oneLine(e.Words)
	if errors.Is(e.Kind, ErrForbidden) {
		// It begins with what the line says already: pods "x" is forbidden: …
		if _, after, ok := strings.Cut(e.Words, " is forbidden: "); ok {
			e.Words = after
		}
		// A server-side apply is a patch, and of an absent object also a create: the server says which it lacks.
		if _, right, ok := strings.Cut(e.Words, " cannot "); ok {
			e.Verb, _, _ = strings.Cut(right, " ")
		}
		c.refuse(e.Right())
	}
	return e
}

// ended is the context's error. A connection's deadline is taken from the context and can strike a moment before it.
func ended(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// verdict is what a failure comes to: Error.Kind and Error.Words.
type verdict struct {
	kind  error
	words string
}

func (c *Client) classify(ctx context.Context, err error) verdict {
	status, refused := errors.AsType[*apierrors.StatusError](err)
	end := ended(ctx)
	switch {
	case errors.Is(err, ErrReadOnly):
		return verdict{ErrReadOnly, strings.TrimPrefix(innermost(err), ErrReadOnly.Error()+": ")}
	case errors.Is(err, errElsewhere), errors.Is(err, errTooLong):
		return verdict{nil, innermost(err)}
	case errors.Is(err, ErrUnlisted):
		return verdict{ErrUnlisted, strings.TrimPrefix(innermost(err), ErrUnlisted.Error()+": ")}
	case errors.Is(end, context.Canceled):
		return verdict{nil, "interrupted"}
	case end != nil:
		return verdict{ErrTimeout, innermost(err)}
	case refused && apierrors.IsUnauthorized(err):
		return verdict{ErrUnauthorized, fmt.Sprintf("%s does not take the credentials of kubeconfig context %q: %s", c.server, c.context, status.ErrStatus.Message)}
	case refused:
		return verdict{statusKind(err), status.ErrStatus.Message}
	case strings.Contains(err.Error(), "getting credentials: "): // client-go's exec plugins give no type
		return verdict{ErrUnauthorized, fmt.Sprintf("kubeconfig context %q: %s", c.context, innermost(err))}
	}
	return c.classifyNetwork(err)
}

// classifyNetwork: no answer came, and the caller still waits for one.
func (c *Client) classifyNetwork(err error) verdict {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return verdict{ErrUnreachable, c.unreachable(err)}
	}
	network, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && c.timeout > 0:
		return verdict{ErrTimeout, fmt.Sprintf("no answer within %s (--request-timeout): %s", c.timeout, innermost(err))}
	case errors.Is(err, context.DeadlineExceeded), ok && network.Timeout():
		return verdict{ErrTimeout, innermost(err)}
	}
	if _, sent := errors.AsType[*url.Error](err); ok || sent {
		return verdict{ErrUnreachable, c.unreachable(err)}
	}
	return verdict{nil, innermost(err)}
}

func (c *Client) unreachable(err error) string {
	hint := "no kubeconfig context is set; set KUBECONFIG or give --kubeconfig or --context"
	if c.context != "" {
		hint = fmt.Sprintf("is the cluster running, and is kubeconfig context %q the right one?", c.context)
	}
	return fmt.Sprintf("%s: %s; %s", c.server, innermost(err), hint)
}

func statusKind(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return ErrForbidden
	case apierrors.IsNotFound(err):
		return ErrAbsent
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return ErrConflict
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err):
		return ErrTimeout
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return ErrInvalid
	}
	return nil
}

// conflicts reads the managers and fields that a server-side apply ran into. The API server puts the manager only into
// the message: conflict with "NAME" with subresource "status" using v1 at TIME.
func conflicts(err error) []FieldConflict {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.ErrStatus.Details == nil {
		return nil
	}
	var fields []FieldConflict
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		manager := cause.Message
		if _, after, ok := strings.Cut(manager, `"`); ok {
			manager, _, _ = strings.Cut(after, `"`)
		}
		fields = append(fields, FieldConflict{Manager: manager, Field: cause.Field})
	}
	return fields
}

// innermost drops what net/http puts before what went wrong: URL and method, which the operation says already, and words of its own.
func innermost(err error) string {
	if said, ok := errors.AsType[*portError](err); ok {
		return said.Error()
	}
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return sent.Err.Error()
	}
	return err.Error()
}

// oneLine keeps a message of the server, or of whoever wrote what it quotes, from breaking the line or the terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
