package check

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/trace"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// What proxies have logged is evidence, and for some faults, which are in the traffic and not in the configuration, the only one. Lines
// from before the configuration that is in force are about another one, and do not count.

// since gives the lines of a leg's proxy that were written since it has the configuration that the leg goes through.
func since(l *trace.Leg) []snapshot.LogLine {
	lines := l.Proxy.Log.Lines
	i := slices.IndexFunc(lines, func(line snapshot.LogLine) bool { return line.Time.After(l.Updated) })
	if i < 0 || l.Updated.IsZero() && l.Stop == nil {
		return nil // nothing tells whether they are about the way as it is
	}
	return lines[i:]
}

// about says whether a line is about the path: it was asked for by name, or sent to a cluster of its host.
func about(p *trace.Path, l *trace.Leg, line *snapshot.LogLine) bool {
	host := string(p.Host)
	if snapshot.HostCovers(host, line.SNI) || snapshot.HostCovers(host, line.Host) {
		return true
	}
	if name, ok := trace.ParseCluster(line.Cluster); ok && snapshot.HostCovers(host, name.Host) {
		return true
	}
	return l.Hop == egress.AtGateway && line.SNI != "" && line.SNI == l.Ask.SNI()
}

// failed says whether a line tells of something that went wrong.
func failed(line *snapshot.LogLine) bool {
	return line.Flags != "" || line.Code >= 400 || line.Failure != ""
}

// maxHeard is how many different complaints are told of.
const maxHeard = 2

// heard tells what the proxies of a finding's legs have logged of failures on the path, the most frequent first.
func heard(p *trace.Path, f *Finding) []string {
	legs := f.explains
	if len(legs) == 0 && (f.Hop == egress.AtGateway || f.Hop == egress.AtOutside) {
		legs = arrived(p)
	}
	type complaint struct {
		pod, text string
		times     int
		last      time.Time
	}
	var all []complaint
	for _, l := range legs {
		for _, line := range since(l) {
			if !failed(&line) || !about(p, l, &line) {
				continue
			}
			c := complaint{pod: l.Proxy.Pod, text: complained(&line)}
			i := slices.IndexFunc(all, func(o complaint) bool { return o.pod == c.pod && o.text == c.text })
			if i < 0 {
				i, all = len(all), append(all, c)
			}
			all[i].times++
			all[i].last = line.Time
		}
	}
	egress.SortFunc(all, func(a, b complaint) int { return cmp.Compare(b.times, a.times) })
	var out []string
	for _, c := range all[:min(len(all), maxHeard)] {
		times := "once"
		if c.times > 1 {
			times = fmt.Sprintf("%d times, last", c.times)
		}
		out = append(out, fmt.Sprintf("%s has logged: %s (%s at %s)", c.pod, c.text, times, c.last.UTC().Format(time.RFC3339)))
	}
	return out
}

// complained is the part of a line that says what went wrong.
func complained(l *snapshot.LogLine) string {
	words := []string{strconv.Itoa(l.Code), l.Flags, l.Details, l.Failure}
	if strings.Contains(l.Details, l.Failure) {
		words = words[:3]
	}
	if l.Details == "via_upstream" && l.Flags == "" {
		words[2] = "from the server"
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// byLog are the legs of a hop on which a check of what was logged can judge. If there is none, unread says why, and is nil where the
// logs were not asked for.
func byLog(p *trace.Path, hop egress.Hop) (legs []*trace.Leg, unread *Finding) {
	for _, l := range p.At(hop) {
		switch st := l.Proxy.Log.State; {
		case l.Stop != nil || !l.Proxy.Log.Asked():
		case st.Kind != snapshot.Read:
			unread = &Finding{State: Skip, Message: fmt.Sprintf("the log of %s could not be read (%s): %s", l.Proxy.Pod, st.Kind, st.Detail)}
		case !l.Log:
			unread = &Finding{State: Skip, Message: fmt.Sprintf("%s writes no access log for %s", l.Proxy.Pod, p)}
		default:
			legs = append(legs, l)
		}
	}
	if len(legs) > 0 {
		return legs, nil
	}
	if unread != nil {
		unread.Fix = lookAtLog(p.At(hop)[0].Proxy)
	}
	return nil, unread
}

// lookAtLog is the command that shows a proxy's log.
func lookAtLog(p *snapshot.Proxy) string {
	return fmt.Sprintf("kubectl -n %s logs %s -c istio-proxy --tail=50", word(p.Namespace), word(p.Pod))
}

// unasked says whether no log was asked for of the proxies that a check would judge by: then it has nothing to say.
func unasked(p *trace.Path, c Check) bool {
	return c.Logs && !slices.ContainsFunc(p.Legs, func(l trace.Leg) bool { return l.Proxy.Log.Asked() })
}

var withoutName = Check{
	Code:     "EGR006",
	Title:    "clients connect to an address, not to a name",
	Severity: Warn,
	Hop:      egress.AtSidecar,
	Logs:     true,
	Run: func(s *snapshot.Snapshot, p trace.Path) []Finding {
		legs, unread := byLog(&p, egress.AtSidecar)
		if unread != nil {
			return []Finding{*unread}
		}
		theirs := addressesOf(&p)
		for _, l := range legs {
			var nameless []snapshot.LogLine
			for _, line := range since(l) {
				if anonymous(&p, &line, theirs) {
					nameless = append(nameless, line)
				}
			}
			if len(nameless) == 0 {
				continue
			}
			last := nameless[len(nameless)-1]
			address := netip.MustParseAddrPort(last.Asked).Addr() // it is one, or it had not been among theirs
			f := Finding{
				Message: fmt.Sprintf("clients of %s connect to %s, an address of %s, without saying its name: the sidecar sends that to %s", l.Proxy.Pod, address, p.Host, last.Cluster),
				Evidence: []string{fmt.Sprintf("%d of the last %d lines of its access log have no server name and that address, the last at %s",
					len(nameless), len(l.Proxy.Log.Lines), last.Time.UTC().Format(time.RFC3339))},
				Fix: fmt.Sprintf("kubectl -n %s logs %s -c istio-proxy --tail=%d | grep -F ' %s '", word(l.Proxy.Namespace), word(l.Proxy.Pod), maxShown, last.Asked),
			}
			return []Finding{f}
		}
		return nil
	},
	Why: "Routes by host need the host: the server name of the TLS handshake, or the Host header. A client that is configured with an IP " +
		"address (or with TLS settings that leave the name out) sends none, and its sidecar lets it go straight out, or nowhere with " +
		"REGISTRY_ONLY, though everybody else goes through the gateway. The same address may belong to other hosts as well.",
	Fix: "Configure the client with the name. Where it must be the address, route it by tcp with destinationSubnets, and give the ServiceEntry addresses.",
}

// maxShown is how many lines of a log the remedy looks at.
const maxShown = 1000

// addressesOf are those that the proxies on the path know the host to have.
func addressesOf(p *trace.Path) map[string]bool {
	out := map[string]bool{}
	for i := range p.Legs {
		for _, c := range p.Legs[i].Proxy.Hosts {
			if name, ok := trace.ParseCluster(c.Cluster); !ok || name.Subset != "" || name.Host != string(p.Host) {
				continue
			}
			for _, h := range c.Hosts {
				out[h.Address] = h.Address != ""
			}
		}
	}
	return out
}

// anonymous says whether a line is of a connection to the host's address and the path's port that named no host.
func anonymous(p *trace.Path, line *snapshot.LogLine, theirs map[string]bool) bool {
	asked, err := netip.ParseAddrPort(line.Asked)
	if err != nil || int(asked.Port()) != p.Port || !theirs[asked.Addr().String()] {
		return false
	}
	name, _ := trace.ParseCluster(line.Cluster)
	straight := line.Cluster == trace.Passthrough || line.Cluster == trace.BlackHole || name.Host == string(p.Host)
	named := line.SNI
	if p.Protocol == egress.ProtocolHTTP {
		named = line.Host
	}
	_, err = netip.ParseAddr(named)
	return straight && (named == "" || err == nil)
}
