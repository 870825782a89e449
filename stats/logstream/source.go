// Package logstream reads the logs of many containers as one: once, merged by the time at which each line was written, or followed
// for as long as wanted, through restarts of pods and cut connections, without losing a line or giving one twice.
//
// Memory is bounded: each container has one buffer, as large as its longest line (maxLine at most), and nothing is read before what
// was read has been handled. A container that floods is held back by its own connection, and holds back no other.
package logstream

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// Client is what reading logs needs of a kube.Client.
type Client interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error
	Logs(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error)
}

// Source is one container whose log is read.
type Source struct {
	Kind      accesslog.Source
	Namespace string
	Pod       string
	Container string
	UID       string // of the pod: another of the same name is another source
}

// String names the source for people.
func (s Source) String() string { return s.Namespace + "/" + s.Pod + " (" + s.Container + ")" }

func (s Source) pod() kube.Pod {
	return kube.Pod{Namespace: s.Namespace, Name: s.Pod, Container: s.Container}
}

// Handler takes what a source wrote: whole lines with their ends, each with the runtime's time before it (kubectl's --timestamps).
// Calls for one source come one after the other, those for different sources at the same time when logs are followed. The bytes hold
// until it returns. Its error ends the reading of all sources.
type Handler func(s Source, chunk []byte) error

// Options say how logs are read. The zero value reads all there is, once.
type Options struct {
	Since time.Time // from then on, of sources that are there at the beginning; zero: all
	Tail  int64     // at most so many last lines of each source; 0: all
	// Poll is how often it is looked for new sources while following, and how long to wait before a container that cannot be read
	// is tried again; default a second.
	Poll time.Duration
	// Note is told, in one line, what people should know: a log that could not be read for a while, lines that may be missing. It is
	// called by several goroutines. Nil: nobody wants to know.
	Note func(string)
}

func (o Options) withDefaults() Options {
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	return o
}
