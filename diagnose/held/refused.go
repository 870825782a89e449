package held

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
	"github.com/kubectl-egress/kubectl-egress/stats/logstream"
)

// Logs reads what containers wrote; *kube.Client does.
type Logs interface {
	Logs(ctx context.Context, p kube.Pod, o kube.LogOptions) (io.ReadCloser, error)
}

// How far back a gateway's access log is looked through for servers that were refused.
const (
	refusedSince = time.Hour
	refusedLines = 5000
)

// outcome is how the last connection of a cluster went.
type outcome struct {
	at  time.Time
	why string // Envoy's reason; empty: the server's certificate was not refused
}

// refused finds servers whose certificates Envoy did not accept: only a connection tells whether a CA is that of the server. The last
// connection of each cluster counts, and none from before the CA was changed.
func (l *looker) refused(ctx context.Context, p *certs.Pod) {
	verifies := func(h certs.Held) bool {
		return h.Type == certs.Anchor && slices.ContainsFunc(h.Users, func(u string) bool { return strings.HasPrefix(u, "cluster outbound|") }) && h.Name != certs.RootSecret
	}
	if l.o.Logs == nil || !slices.ContainsFunc(p.Held, verifies) {
		return
	}
	last, err := l.outcomes(ctx, p)
	if err != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("whether a server's certificate was refused could not be seen in the access log: %v", err))
		return
	}
	for i := range p.Held {
		h := &p.Held[i]
		if !verifies(*h) {
			continue
		}
		changed, err := time.Parse(time.RFC3339, h.Updated)
		for _, user := range h.Users {
			name, _ := strings.CutPrefix(user, "cluster ")
			one := last[name]
			if one.why == "" || err == nil && one.at.Before(changed) {
				continue
			}
			h.Refused(name, one.at, one.why)
		}
	}
}

// outcomes reads how the last connection of each cluster went.
func (l *looker) outcomes(ctx context.Context, p *certs.Pod) (map[string]outcome, error) {
	body, err := l.o.Logs.Logs(ctx, kube.Pod{Namespace: p.Namespace, Name: p.Pod, Container: "istio-proxy"}, kube.LogOptions{
		Timestamps: true, Tail: refusedLines, Since: refusedSince,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // nothing that reading has not told
	last := map[string]outcome{}
	var parser accesslog.Parser
	var line accesslog.Line
	err = logstream.Chunks(body, func(chunk []byte) error {
		for raw := range bytes.Lines(chunk) {
			if parser.Parse(raw, &line) && len(line.UpstreamCluster) > 0 {
				last[string(line.UpstreamCluster)] = outcome{line.At(), refusal(&line)}
			}
		}
		return ctx.Err()
	})
	return last, err
}

// refusal is the reason for which Envoy did not accept the server's certificate; empty if it did, or never saw one.
func refusal(l *accesslog.Line) string {
	for _, field := range [][]byte{l.Failure, l.Details} {
		if bytes.Contains(field, []byte("CERTIFICATE_VERIFY_FAILED")) {
			return string(field)
		}
	}
	return ""
}
