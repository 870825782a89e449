package probe

import (
	"fmt"
	"strings"
	"time"
)

// Asked says for people who asked for what, and what became of it.
func (r *Result) Asked() string {
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

// Says is for people which way it went, and how that is known.
func (r *Result) Says() string {
	words, proof := "", "same connection seen on both sides"
	switch r.Verdict {
	case Through:
		words = "went through " + r.Gateway
	case Round:
		words, proof = "went round the gateway", "the sidecar sent this connection straight outside"
	case Direct:
		words, proof = "went straight outside, as set "+r.Set+" declares", "the sidecar's line of this connection"
	case Bypassed:
		return "could go round: " + r.Reason
	case Held:
		return "could not: " + r.Reason
	default:
		return "cannot tell: " + r.Reason
	}
	if r.Proof == ByCounters {
		proof = "by counters only, which is weaker proof"
	}
	words += " (" + proof + ")"
	if r.Reason != "" {
		words += "; " + r.Reason
	}
	return words
}

// What says for people which of the proxy's clusters took it.
func (h Hop) What() string {
	what := h.Cluster
	if h.SNI != "" {
		what = strings.TrimPrefix(what+", SNI "+h.SNI, ", ")
	}
	if h.Flags != "" {
		what += ", " + h.Flags
	}
	return what
}
