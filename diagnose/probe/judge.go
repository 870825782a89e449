package probe

import (
	"fmt"
	"net"

	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// judge says which way the request went by the lines about it.
func (r *Result) judge(o *Options, s *seen, row *accesslog.Row) {
	switch {
	case len(s.ours) == 0 && s.failed != "":
		r.Reason = "the access logs could not all be read: " + s.failed
		return
	case len(s.ours) == 0 && s.lines == 0:
		r.Reason = "the sidecar wrote no line: its access log is off, or says nothing of this"
		return
	case len(s.ours) == 0:
		r.Reason = "the sidecar wrote no line about this connection"
		return
	case len(s.ours) > 1:
		r.Reason = fmt.Sprintf("the sidecar carried %d connections to %s at that moment, and %s does not tell which is its own (curl does)", len(s.ours), o.Target.Host, r.Tool)
		r.hop("sidecar", s.ours[0])
		return
	case row == nil:
		r.hop("sidecar", s.ours[0])
		r.Reason = fmt.Sprintf("the sidecar sent it to %s, which is no egress gateway that is known", s.ours[0].UpstreamCluster)
		return
	}
	r.Proof = ByConnection
	r.hop("sidecar", row.Sidecar)
	r.hop("gateway", row.Gateway)
	r.hop("inner", row.Inner)
	r.hop("sni-proxy", row.SNIProxy)
	r.decide(row)
	switch {
	case r.Verdict == Unknown && s.failed != "":
		r.Reason += "; the access logs could not all be read: " + s.failed
	case r.Verdict != Unknown && r.Reason == "" && !s.exact:
		r.Reason = fmt.Sprintf("%s did not tell its own address: it was the sidecar's only connection to %s then", r.Tool, o.Target.Host)
	}
}

// decide takes the verdict of a row.
func (r *Result) decide(row *accesslog.Row) {
	namespace, name := row.Sidecar.Service()
	gateway := string(namespace) + "/" + string(name)
	switch row.Verdict {
	case accesslog.Through:
		r.Verdict, r.Gateway, r.Leaves = Through, gateway, leaves(row)
		if !complete(row) {
			r.Reason = "the line of the gateway's second hop did not come"
		}
	case accesslog.Round:
		switch row.Sidecar.Way() {
		case accesslog.ToOutside, accesslog.Passthrough, accesslog.ToDynamic:
			r.Verdict, r.Leaves = Round, string(row.Sidecar.UpstreamLocal)
		default:
			r.Reason, r.Proof = fmt.Sprintf("where the sidecar's cluster %s leads is not known", row.Sidecar.UpstreamCluster), ""
		}
	case accesslog.Blocked:
		r.Proof, r.Reason = "", "the sidecar sent it nowhere"
		if r.Failed == "" {
			r.Failed = "stopped at the sidecar"
		}
	default:
		r.Proof, r.Reason, r.Gateway = "", "the sidecar sent it to "+gateway+", whose access log has no line about this connection", gateway
	}
	last := row.Lines()[len(row.Lines())-1]
	if r.Failed == "" && r.Status >= 500 && last.Flags != nil {
		r.Failed = fmt.Sprintf("the %s answered %d (%s)", last.Source, r.Status, last.Flags)
	}
}

// leaves is the address from which the request went outside. nginx does not tell its own: it shares the gateway pod's.
func leaves(row *accesslog.Row) string {
	last := row.Lines()[len(row.Lines())-1]
	if row.SNIProxy == nil && last.Way() != accesslog.ToInner && last.Way() != accesslog.ToSNIProxy {
		return string(last.UpstreamLocal)
	}
	ip, _, err := net.SplitHostPort(string(row.Gateway.DownstreamLocal))
	if err != nil {
		return ""
	}
	return ip
}

// hop keeps what a line tells of the way.
func (r *Result) hop(name string, l *accesslog.Line) {
	if l == nil {
		return
	}
	r.Hops = append(r.Hops, Hop{
		Hop: name, Pod: string(l.Namespace) + "/" + string(l.Pod), Local: string(l.UpstreamLocal), Remote: string(l.UpstreamHost),
		Cluster: string(l.UpstreamCluster), SNI: string(l.SNI), Flags: string(l.Flags),
	})
}
