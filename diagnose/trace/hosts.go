package trace

import (
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
)

// byHost finds what objects say about a host without going through all of them: a thousand paths among ten thousand objects would
// take too long otherwise.
type byHost[T any] map[string][]T

func (b byHost[T]) add(host string, t T) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	b[host] = append(b[host], t)
}

// get gives what names the host, then what has a wildcard that covers it, the longest first.
func (b byHost[T]) get(host string) []T {
	host = strings.ToLower(host)
	out := slices.Clone(b[host])
	for rest := host; ; {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		if wildcard := "*." + after; wildcard != host {
			out = append(out, b[wildcard]...)
		}
		rest = after
	}
	if host == "*" {
		return out
	}
	return append(out, b["*"]...)
}

// Opened is a server of a Gateway object.
type Opened struct {
	Gateway *snapshot.Gateway
	Server  *snapshot.Server
	Index   int // of the server in the Gateway
}

// Entries gives the ServiceEntries that name the host or a wildcard that covers it.
func (w *Wanted) Entries(host string) []*snapshot.ServiceEntry { return w.entries.get(host) }

// Servers gives the servers of all Gateways that name the host or a wildcard that covers it.
func (w *Wanted) Servers(host string) []Opened { return w.servers.get(host) }

// index goes through the objects once.
func (w *Wanted) index() {
	for i := range w.s.Objects.ServiceEntries {
		e := &w.s.Objects.ServiceEntries[i]
		for _, h := range e.Spec.Hosts {
			w.entries.add(h, e)
		}
	}
	for i := range w.s.Objects.VirtualServices {
		w.outward(&w.s.Objects.VirtualServices[i])
	}
	for i := range w.s.Objects.VirtualServices {
		w.all = append(w.all, w.linesOf(&w.s.Objects.VirtualServices[i])...)
	}
	for _, l := range w.all {
		for _, h := range l.Hosts {
			w.lines.add(h, l)
		}
	}
	for i := range w.s.Objects.Gateways {
		g := &w.s.Objects.Gateways[i]
		for j := range g.Spec.Servers {
			for _, h := range g.Spec.Servers[j].Hosts {
				_, name := snapshot.ServerHost(h)
				w.servers.add(name, Opened{Gateway: g, Server: &g.Spec.Servers[j], Index: j})
			}
		}
	}
}
