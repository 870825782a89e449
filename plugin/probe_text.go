package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/probe"
)

// probeText says for people which way a request went. Parts of it are other people's words, which come out plain.
func probeText(r probe.Result, unicode bool) string {
	arrow := "->"
	if unicode {
		arrow = "─▶"
	}
	var lines []string
	lines = append(lines, probeAnswer(r))
	name, from, to := 0, 0, 0
	for _, h := range r.Hops {
		name, from, to = max(name, len(h.Hop)), max(from, len(orDash([]byte(h.Local)))), max(to, len(orDash([]byte(h.Remote))))
	}
	for _, h := range r.Hops {
		what := h.Cluster
		if h.SNI != "" {
			what = strings.TrimPrefix(what+", SNI "+h.SNI, ", ")
		}
		if h.Flags != "" {
			what += ", " + h.Flags
		}
		lines = append(lines, fmt.Sprintf("  %-*s  %-*s %s %-*s  %s", name, h.Hop, from, orDash([]byte(h.Local)), arrow, to, orDash([]byte(h.Remote)), what))
	}
	if r.Proof == probe.ByCounters {
		for _, g := range r.Grown {
			lines = append(lines, fmt.Sprintf("  %s  %s  +%d  %s", g.Hop, g.Pod, g.By, g.Cluster))
		}
	}
	if r.Leaves != "" {
		lines = append(lines, "  leaves from "+r.Leaves)
	}
	lines = append(lines, probeVerdict(r))
	for i, l := range lines {
		lines[i] = strings.TrimRight(plain(l), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// probeAnswer is what became of the request.
func probeAnswer(r probe.Result) string {
	took := (time.Duration(r.Seconds*1e6) * time.Microsecond).Round(time.Millisecond)
	with := r.Tool
	if r.Image != "" {
		with += " of image " + r.Image
	}
	asked := fmt.Sprintf("%s asked %s with %s", r.Pod[strings.LastIndexByte(r.Pod, '/')+1:], r.URL, with)
	if r.Failed != "" {
		return fmt.Sprintf("%s: FAILED after %s: %s", asked, took, r.Failed)
	}
	return fmt.Sprintf("%s: %d in %s", asked, r.Status, took)
}

// probeVerdict is the last line.
func probeVerdict(r probe.Result) string {
	words, proof := "", "same connection seen on both sides"
	switch r.Verdict {
	case probe.Through:
		words = "went through " + r.Gateway
	case probe.Round:
		words, proof = "went round the gateway", "the sidecar sent this connection straight outside"
	case probe.Direct:
		words, proof = "went straight outside, as set "+r.Set+" declares", "the sidecar's line of this connection"
	case probe.Bypassed:
		return "could go round: " + r.Reason
	case probe.Held:
		return "could not: " + r.Reason
	default:
		return "cannot tell: " + r.Reason
	}
	if r.Proof == probe.ByCounters {
		proof = "by counters only, which is weaker proof"
	}
	words += " (" + proof + ")"
	if r.Reason != "" {
		words += "; " + r.Reason
	}
	return words
}
