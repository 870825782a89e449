package gather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// proxies reads the configuration of the gateways and of the workloads picked.
func (g *gatherer) proxies(ctx context.Context) error {
	gateways, err := g.gatewayPods(ctx)
	if err != nil {
		return err
	}
	workloads, err := g.workloads(ctx)
	if err != nil {
		return err
	}
	all := slices.Concat(gateways, workloads)
	if err := ReadProxies(ctx, g.Client, all, g.o); err != nil {
		return err
	}
	// a pod that went away meanwhile takes no traffic either
	g.s.Proxies = slices.DeleteFunc(all, func(p snapshot.Proxy) bool { return p.State.Kind == snapshot.Absent })
	return nil
}

// ReadProxies reads the real configuration of proxies, several at a time, each within the deadline. What goes wrong with one is
// in its State; an error means that the API server cannot be reached or the context ended.
func ReadProxies(ctx context.Context, c Client, proxies []snapshot.Proxy, o Options) error {
	o = o.withDefaults()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(o.Parallel)
	for i := range proxies {
		p := &proxies[i]
		if p.Role == snapshot.NoProxy {
			continue
		}
		group.Go(func() error {
			one, cancel := context.WithTimeout(groupCtx, o.Deadline)
			defer cancel()
			err := (&reader{Client: c, p: p}).read(one)
			if err != nil && fatal(groupCtx, err) {
				return err
			}
			p.State = stateOf(err)
			return nil
		})
	}
	return group.Wait()
}

// reader asks one proxy.
type reader struct {
	Client
	p      *snapshot.Proxy
	byExec bool // port-forward is forbidden here: the agent in the pod asks instead
}

// lists are asked for one by one, so that nothing is sent that is not needed: no static part, no certificate.
var lists = []string{
	admin.DynamicListeners, admin.DynamicRoutes, admin.DynamicClusters, admin.DynamicWarmingClusters,
}

// names asks for the names of secrets and never for what is in them.
const names = "&mask=name,last_updated"

func (r *reader) read(ctx context.Context) error {
	config := func(resource string) func(io.Reader) error {
		return func(body io.Reader) error { return r.p.Config.Read(body, resource) }
	}
	for _, l := range lists {
		if err := r.ask(ctx, "/config_dump?resource="+l, config(l)); err != nil {
			return err
		}
	}
	err := r.ask(ctx, "/clusters?format=json", func(body io.Reader) (err error) {
		r.p.Hosts, err = admin.ReadHosts(body)
		return err
	})
	if err != nil || r.p.Role != snapshot.AtGateway {
		return err
	}
	for _, l := range []string{admin.DynamicSecrets, admin.DynamicWarmingSecrets} {
		if err := r.ask(ctx, "/config_dump?resource="+l+names, config(l)); err != nil {
			return err
		}
	}
	if err := r.ask(ctx, "/config_dump?mask=bootstrap.stats_config.stats_matcher", config("")); err != nil {
		return err
	}
	return r.ask(ctx, "/certs", func(body io.Reader) (err error) {
		r.p.Certs, err = admin.ReadCertificates(body)
		return err
	})
}

// ask gets one reply through a port-forward or, where that is forbidden, by the agent in the pod.
func (r *reader) ask(ctx context.Context, path string, parse func(io.Reader) error) error {
	if r.byExec {
		return r.agent(ctx, path, parse)
	}
	body, err := r.EnvoyGet(ctx, r.p.Namespace, r.p.Pod, path)
	if errors.Is(err, kube.ErrForbidden) {
		r.byExec = true
		if byAgent := r.agent(ctx, path, parse); !errors.Is(byAgent, kube.ErrForbidden) {
			return byAgent
		}
		return err // the right to forward ports is the lesser one
	}
	if err != nil {
		return err
	}
	err = errors.Join(whole(body, parse), body.Close())
	if err != nil && ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}

// agent has pilot-agent in the pod ask its Envoy.
func (r *reader) agent(ctx context.Context, path string, parse func(io.Reader) error) error {
	out, in := io.Pipe()
	said := make(chan error, 1)
	go func() {
		var words bytes.Buffer // the agent warns about memory limits here whatever happens
		pod := kube.Pod{Namespace: r.p.Namespace, Name: r.p.Pod, Container: proxyContainer}
		err := r.Exec(ctx, pod, []string{"pilot-agent", "request", "GET", strings.TrimPrefix(path, "/")}, in, &words)
		if _, exited := errors.AsType[*kube.ExitError](err); exited {
			err = fmt.Errorf("%w: %s", err, lastLine(words.String()))
		}
		in.CloseWithError(err)
		said <- err
	}()
	err := whole(out, parse)
	out.CloseWithError(errors.New("the reply was not read to its end"))
	if asked := <-said; asked != nil && (err == nil || errors.Is(err, asked)) {
		return asked
	}
	return err
}

// whole has a reply parsed and reads what is left of it, so that the connection can be used again.
func whole(body io.Reader, parse func(io.Reader) error) error {
	if err := parse(body); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, io.LimitReader(body, maxRest))
	return err
}

// maxRest bounds what may follow the JSON of a reply: a line's end.
const maxRest = 1 << 10

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
