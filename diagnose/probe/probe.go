// Package probe sends one real request from a workload and finds out which way it went: by the lines that sidecar and gateway wrote
// about that very connection or, where they write none, by what they counted. An answer alone proves nothing.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// Client is what probing needs of a kube.Client.
type Client interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error
	Logs(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error)
	Exec(ctx context.Context, p kube.Pod, command []string, stdout, stderr io.Writer) error
	EnvoyGet(ctx context.Context, namespace, pod, path string) (io.ReadCloser, error)
	AddEphemeralContainer(ctx context.Context, namespace, pod string, container map[string]any) error
}

// Options say what is asked for, by whom, and what is known of the mesh.
type Options struct {
	Target    Target
	Namespace string // of the workload
	From      string // deploy/NAME or a pod; empty: the first pod with a sidecar that is ready
	Tool      string // curl, wget, openssl or python3; empty: the first of them that is there
	Image     string // of an ephemeral container that asks where the workload has no such tool; empty: none is added
	Gateways  []mesh.Gateway
	Templates []*accesslog.Template // access log formats of the mesh's own
	Direct    string                // the set that declares that the host is reached straight; empty: none does
	Patience  time.Duration         // how long the request may take, default 10 s
	Settle    time.Duration         // how long lines are waited for, default 13 s: Envoy writes those of TCP up to 10 s late
	Note      func(string)          // told, in one line, what is being waited for; may be nil
	Tell      func(string)          // told, in one line, what is about to be put on the cluster; may be nil

	once bool // no redirection may be followed
}

// Verdict is which way the request went.
type Verdict string

// The verdicts.
const (
	Through Verdict = "through" // through an egress gateway
	Round   Verdict = "round"   // straight outside, round every gateway
	Direct  Verdict = "direct"  // straight outside, as a set declares
	Unknown Verdict = "unknown"

	Bypassed Verdict = "bypassed" // Bypass: what is in no mesh could leave without the gateway
	Held     Verdict = "held"     // Bypass: it could not
)

// Proof is what a verdict rests on.
type Proof string

// The proofs.
const (
	ByConnection Proof = "connection" // lines of the access log about this very connection
	ByCounters   Proof = "counters"   // weaker: what the proxies counted in the meantime, which others may have caused
)

// Hop is what one proxy wrote about the request.
type Hop struct {
	Hop     string `json:"hop"` // sidecar, gateway, inner (the gateway's second listener) or sni-proxy
	Pod     string `json:"pod"` // NAMESPACE/POD
	Local   string `json:"local,omitempty"`
	Remote  string `json:"remote,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	SNI     string `json:"sni,omitempty"`
	Flags   string `json:"flags,omitempty"` // Envoy's response flags
}

// Result is what was found out.
type Result struct {
	Pod      string  `json:"pod"` // NAMESPACE/POD that asked
	Tool     string  `json:"tool"`
	Image    string  `json:"image,omitempty"` // of the container that was made for it
	URL      string  `json:"url"`
	Status   int     `json:"status,omitempty"` // of HTTP
	Seconds  float64 `json:"seconds"`
	Failed   string  `json:"failed,omitempty"` // why the request has no answer
	Verdict  Verdict `json:"verdict"`
	Proof    Proof   `json:"proof,omitempty"`
	Gateway  string  `json:"gateway,omitempty"` // NAMESPACE/SERVICE
	Set      string  `json:"set,omitempty"`     // that declares the straight way
	Reason   string  `json:"reason,omitempty"`  // why it cannot be told, or what else was seen
	Leaves   string  `json:"leaves,omitempty"`  // address that the request left from
	Hops     []Hop   `json:"hops"`
	Grown    []Grown `json:"grown,omitempty"`
	ExitCode int     `json:"exitCode"`
}

// fill puts in what is left to default.
func (o *Options) fill() {
	if o.Patience <= 0 {
		o.Patience = 10 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 13 * time.Second
	}
	for _, say := range []*func(string){&o.Note, &o.Tell} {
		if *say == nil {
			*say = func(string) {}
		}
	}
}

// request is one request and what the proxies counted before and after it.
type request struct {
	answer
	begin         time.Time
	before, after map[place]uint64
}

// deliver has the workload send the request, or an ephemeral container where the workload has no tool and one may be added.
func deliver(ctx context.Context, c Client, w *workload, o *Options, counts *counts) (r *request, err error) {
	r = &request{}
	try := func() {
		r.before = counts.read(ctx)
		r.begin = time.Now()
		r.answer, err = send(ctx, c, w, o)
	}
	try()
	if _, none := errors.AsType[*NoToolError](err); none && o.Image != "" && w.Image == "" {
		if err = w.borrow(ctx, c, o); err == nil {
			try()
		}
	}
	if err == nil {
		r.after = counts.read(ctx)
	}
	return r, err
}

// Run probes. An error means that nothing can be said: the cluster failed, a right is missing, or there is nobody to ask.
func Run(ctx context.Context, c Client, o Options) (Result, error) {
	o.fill()
	w, err := find(ctx, c, o.Namespace, o.From, false)
	if err != nil {
		return Result{}, err
	}
	counts := newCounts(c, o.Gateways)
	counts.pods = append(counts.pods, place{hop: string(accesslog.Sidecar), pod: w.String()})
	asked, err := deliver(ctx, c, &w, &o, counts)
	if err != nil {
		return Result{}, err
	}
	r := result(&w, &o, asked)
	early, gateway := counted(r.Grown, o.Target.Host)
	o.Note(fmt.Sprintf("the counters say: %s; waiting for the lines of the access log, which may take 10 s", early))
	ours, row, err := wait(ctx, c, &w, &o, asked)
	if err != nil {
		return Result{}, err
	}
	r.judge(&o, &ours, row)
	if r.Verdict == Unknown && asked.failed == "" {
		r.fallBack(early, gateway, counts.failed)
	}
	r.finish(o.Direct)
	return r, nil
}

// result is what is known when the request has been answered, or not.
func result(w *workload, o *Options, asked *request) Result {
	return Result{
		Pod: w.String(), Image: w.Image, URL: o.Target.URL(), Verdict: Unknown, Hops: []Hop{},
		Tool: asked.tool, Status: asked.status, Seconds: asked.seconds, Failed: asked.failed, Grown: grown(asked.before, asked.after),
	}
}

// fallBack judges by counters alone, where no line is known or they fit what the sidecar's line said.
func (r *Result) fallBack(early Verdict, gateway, failed string) {
	switch {
	case len(r.Hops) > 0 && (r.Gateway == "" || r.Gateway != gateway):
	case early != Unknown:
		r.Verdict, r.Proof, r.Gateway = early, ByCounters, gateway
	case failed != "":
		r.Reason += "; nor could the counters be read: " + failed
	default:
		r.Reason += "; the counters do not tell either"
	}
}

// finish makes the declared way of a straight one, and decides on the exit code.
func (r *Result) finish(set string) {
	if r.Verdict == Round && set != "" {
		r.Verdict, r.Set = Direct, set
	}
	switch {
	case r.Failed != "", r.Verdict == Round:
		r.ExitCode = 3
	case r.Verdict == Unknown:
		r.ExitCode = 1
	}
}
