package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// Bypass has a pod that is in no mesh send one request to the target and to nothing else, and says whether it could leave without an
// egress gateway. The pod is the one that o.From names; without that, one is made of o.Image and taken away again, whatever happens.
// A request that is not answered proves nothing by itself: a pod in the mesh has to get an answer at the same time.
func Bypass(ctx context.Context, c Writer, o Options) (r Result, err error) {
	o.fill()
	o.once = true
	var w workload
	if o.From != "" {
		w, err = find(ctx, c, o.Namespace, o.From, true)
	} else {
		var remove func() error
		w, remove, err = makePod(ctx, c, &o)
		defer func() {
			if failed := remove(); err == nil {
				err = failed
			}
		}()
	}
	if err != nil {
		return Result{}, err
	}
	o.Note("asking from a pod without a sidecar")
	counts := newCounts(c, o.Gateways)
	asked, err := deliver(ctx, c, &w, &o, counts)
	if err != nil {
		return Result{}, err
	}
	r = result(&w, &o, asked)
	switch {
	case asked.nameless():
		r.Reason = "the name was not found there, so that nothing was sent to " + string(o.Target.Host)
	case asked.reached():
		err = r.wasRound(ctx, c, &w, &o, asked, counts.failed)
	default:
		err = r.wasHeld(ctx, c, &o)
	}
	r.ExitCode = map[Verdict]int{Bypassed: 3, Unknown: 1}[r.Verdict]
	return r, err
}

// Programs have their own words for a name that is not found and for a certificate that they do not trust.
var (
	notFound  = regexp.MustCompile(`(?i)resolv|bad address|not known|no address|name resolution|gaierror|BIO_lookup`)
	untrusted = regexp.MustCompile(`(?i)certificate`)
)

func (a *answer) nameless() bool { return a.status == 0 && notFound.MatchString(a.said) }

// reached says whether a server was reached: it answered, or showed a certificate.
func (a *answer) reached() bool { return a.status > 0 || untrusted.MatchString(a.said) }

// wasRound judges a request that reached a server: it went round the gateways unless one of them carried it, which happens where a
// cluster's DNS leads outside names to a gateway.
func (r *Result) wasRound(ctx context.Context, c Client, w *workload, o *Options, asked *request, unread string) error {
	left := slices.ContainsFunc(r.Grown, func(g Grown) bool { return carries(g.Cluster, o.Target.Host) })
	if !left && unread == "" {
		r.Verdict, r.Reason = Bypassed, "no egress gateway carried anything to "+string(o.Target.Host)+" meanwhile"
		return nil
	}
	finder := &logstream.Finder{Client: c, Gateways: diagnose.GatewayLogs(o.Gateways)}
	sources, err := finder.Find(ctx)
	if err != nil {
		return fmt.Errorf("find the gateways' logs: %w", err)
	}
	o.Note("a gateway carries something to that host too; waiting for the lines of its access log, which may take 10 s")
	lines := 0
	err = poll(ctx, o.Settle, func() bool {
		var failed error
		if lines, failed = r.came(ctx, c, sources, w, o, asked.begin); failed != nil {
			unread = failed.Error()
		}
		return r.Verdict == Held
	})
	switch {
	case err != nil || r.Verdict == Held:
	case lines > 0 && unread == "":
		r.Verdict, r.Reason = Bypassed, "what the gateways carried meanwhile came from others"
	case unread != "":
		r.Reason = "it got an answer, and whether a gateway carried it could not be seen: " + unread
	default:
		r.Reason = "it got an answer, a gateway carried something to that host at the same time, and no access log tells whose it was"
	}
	return err
}

// came looks through the gateways' logs for a connection that came from the pod, and counts the lines of all.
func (r *Result) came(ctx context.Context, c Client, sources []logstream.Source, w *workload, o *Options, begin time.Time) (lines int, err error) {
	var line accesslog.Line
	parser := accesslog.Parser{Templates: o.Templates}
	err = logstream.Read(ctx, c, sources, logstream.Options{Since: begin.Add(-skew)}, func(from logstream.Source, chunk []byte) error {
		for raw := range bytes.Lines(chunk) {
			if from.Kind != accesslog.Gateway || !parser.Parse(raw, &line) {
				continue
			}
			lines++
			ip, _, err := net.SplitHostPort(string(line.DownstreamRemote))
			if err != nil || !slices.Contains(w.ips, ip) || r.Verdict == Held {
				continue
			}
			line.Namespace, line.Pod = []byte(from.Namespace), []byte(from.Pod)
			r.Verdict, r.Gateway = Held, gatewayOf(o.Gateways, from.Namespace, from.Pod)
			r.Reason = "it came to gateway " + r.Gateway + ", which carried it"
			r.hop("gateway", &line)
		}
		return nil
	})
	return lines, err
}

func gatewayOf(all []mesh.Gateway, namespace, pod string) string {
	for _, g := range all {
		if g.Namespace == namespace && slices.ContainsFunc(g.Pods, func(p mesh.Pod) bool { return p.Name == pod }) {
			return g.Ref().String()
		}
	}
	return namespace + "/" + pod
}

// wasHeld judges a request that reached nobody, by whether somebody in the mesh gets an answer.
func (r *Result) wasHeld(ctx context.Context, c Client, o *Options) error {
	o.Note("no answer; asking from a pod in the mesh whether the host answers at all")
	plain := *o
	plain.From, plain.Image, plain.Tool = "", "", ""
	w, err := find(ctx, c, o.Namespace, "", false)
	if err != nil {
		w, err = find(ctx, c, "", "", false)
	}
	var other answer
	if err == nil {
		other, err = send(ctx, c, &w, &plain)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("ask from a pod in the mesh: %w", err)
	case err != nil:
		r.Reason = "whether the host answers anybody is not known: " + err.Error()
	case !other.serves(o.Target):
		r.Reason = fmt.Sprintf("the host does not answer %s either, which is in the mesh", &w)
		if other.failed != "" {
			r.Reason += ": " + other.failed
		}
	default:
		r.Verdict, r.Reason = Held, fmt.Sprintf("%s; %s, which is in the mesh, was answered with %d at the same time", r.Failed, &w, other.status)
	}
	return nil
}

// serves says whether it was the server that answered. By HTTP proxies answer too, with these codes where they do not get through.
func (a *answer) serves(t Target) bool {
	return a.status > 0 && (t.encrypted() || a.status < 500 && a.status != 404)
}

// Writer is what Bypass needs of a kube.Client to make a pod and take it away.
type Writer interface {
	Client
	podWriter
}

var _ Writer = (*kube.Client)(nil)
