// Package held reads which certificates and trust anchors the pods of egress gateways hold, and judges them.
package held

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/certs"
)

// parallel is how many pods are asked at once; deadline how long one may take.
const (
	parallel = 8
	deadline = 15 * time.Second
)

// Options say what is looked at.
type Options struct {
	Gateway egress.GatewayRef // zero: every egress gateway of the mesh
	Via     ask.Via
	Soon    time.Duration // what ends within this is told
	Now     time.Time
	Logs    Logs // of the gateways' access logs; nil: they are not read
}

// Client is what looking needs of a kube.Client.
type Client = gather.Client

// Look reads and judges what the gateways' pods hold. notes are for people. An error means that there is nothing to judge: the API
// server cannot be reached, or there is no such gateway. What goes wrong with one pod is in its Failed.
func Look(ctx context.Context, c Client, o Options) (pods []certs.Pod, notes []string, err error) {
	l := looker{Client: c, o: o, asker: ask.New(c, o.Via)}
	if l.facts, err = discover.Discover(ctx, c); err != nil {
		return nil, nil, err
	}
	gateways, err := l.gateways(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted := make([]wanted, len(gateways))
	for i, gw := range gateways {
		if wanted[i], err = l.wants(ctx, gw); err != nil {
			if !errors.Is(err, kube.ErrForbidden) {
				return nil, nil, err
			}
			notes = append(notes, "what objects want of the gateway could not be seen: "+err.Error())
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, gw := range gateways {
		for _, p := range gw.Pods {
			pods = append(pods, certs.Pod{Gateway: gw.Ref(), Namespace: gw.Namespace, Pod: p.Name})
			wanted[i].last = len(pods)
		}
		if len(gw.Pods) == 0 {
			notes = append(notes, fmt.Sprintf("gateway %s has no pod", gw.Ref()))
		}
	}
	from := 0
	for i, gw := range gateways {
		for at := from; at < wanted[i].last; at++ {
			group.Go(func() error { return l.pod(groupCtx, gw, wanted[i], &pods[at]) })
		}
		from = max(from, wanted[i].last)
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return pods, slices.Concat(notes, l.asker.Notes()), nil
}

// looker is one look.
type looker struct {
	Client
	o     Options
	asker *ask.Asker
	facts mesh.Facts
}

func (l *looker) gateways(ctx context.Context) ([]mesh.Gateway, error) {
	if l.o.Gateway == (egress.GatewayRef{}) {
		for _, u := range l.facts.Unread {
			if len(l.facts.Gateways) == 0 && (strings.HasPrefix(u.Source, "services") || strings.HasPrefix(u.Source, "pods")) {
				return nil, fmt.Errorf("egress gateways could not be looked for: %s; name one as NAMESPACE/SERVICE", u.Detail)
			}
		}
		return l.facts.Gateways, nil
	}
	gw, err := discover.Gateway(ctx, l, l.o.Gateway)
	if err != nil {
		return nil, err
	}
	return []mesh.Gateway{gw}, nil
}

// pod reads and judges one pod. Only what concerns all pods is an error.
func (l *looker) pod(ctx context.Context, gw mesh.Gateway, w wanted, p *certs.Pod) error {
	one, stop := context.WithTimeout(ctx, deadline)
	defer stop()
	err := l.read(one, p, w)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, kube.ErrUnreachable), errors.Is(err, kube.ErrUnauthorized):
		return err
	case err != nil:
		p.Failed = err.Error()
		return nil
	}
	p.Via = l.asker.How(p.Namespace, p.Pod)
	terms := certs.Terms{Now: l.o.Now, Soon: l.o.Soon, Wants: w.names, Namespace: gw.Namespace}
	if l.facts.TrustDomain != "" && gw.ServiceAccount != "" {
		terms.Identity = "spiffe://" + l.facts.TrustDomain + "/ns/" + gw.Namespace + "/sa/" + gw.ServiceAccount
	}
	terms.Judge(p.Held)
	l.refused(one, p)
	return ctx.Err()
}

// read asks a pod for its secrets, and for the files that its Envoy took certificates from.
func (l *looker) read(ctx context.Context, p *certs.Pod, w wanted) error {
	for _, list := range []struct {
		path  string
		state certs.State
	}{{certs.ActivePath, certs.Active}, {certs.WarmingPath, certs.Warming}} {
		held, err := ask.Read(ctx, l.asker, p.Namespace, p.Pod, list.path+url.QueryEscape(admin.SecretFields), func(r io.Reader) ([]certs.Held, error) {
			return certs.Read(r, list.state)
		})
		if err != nil {
			return err
		}
		for _, h := range held { // one that is active as well as warming is about to be replaced
			if !slices.ContainsFunc(p.Held, func(have certs.Held) bool { return have.Name == h.Name }) {
				p.Held = append(p.Held, h)
			}
		}
	}
	told, err := ask.Read(ctx, l.asker, p.Namespace, p.Pod, "/certs", admin.ReadCertificates)
	if err != nil {
		if _, failed := errors.AsType[*kube.Error](err); failed || len(p.Held) > 0 {
			return err
		}
		p.Notes = append(p.Notes, fmt.Sprintf("what Envoy says of its certificates could not be read: %v", err))
	}
	l.files(ctx, p, told)
	l.users(ctx, p)
	w.put(p)
	egress.SortFunc(p.Held, func(a, b certs.Held) int { return strings.Compare(order(a), order(b)) })
	return nil
}

// order has Istio's own first, then credentials, then files.
func order(h certs.Held) string {
	rank := slices.Index([]string{certs.OwnSecret, certs.RootSecret}, h.Name)
	switch {
	case rank >= 0:
	case h.Name == certs.SystemRoots:
		rank = 4
	case certs.FileName(h.Name):
		rank = 5
	default:
		rank = 3
	}
	return fmt.Sprint(rank) + h.Name
}

// files adds what Envoy took from files: by their content, as the documents of Istio up to 1.4 look at it, or else by what Envoy says.
func (l *looker) files(ctx context.Context, p *certs.Pod, told []admin.Certificate) {
	known := certs.Told(told)
	var paths []string
	for _, h := range known {
		paths = append(paths, h.Name)
	}
	if len(paths) == 0 && len(p.Held) == 0 {
		paths = certs.OldFiles() // an Envoy that tells nothing, of a mesh that mounts them
	}
	for _, path := range paths {
		h, err := l.file(ctx, p, path)
		if err == nil {
			p.Held = append(p.Held, h)
			continue
		}
		p.Notes = append(p.Notes, fmt.Sprintf("%s could not be read in the pod, so that it is told as Envoy tells it: %v", path, err))
		if i := slices.IndexFunc(known, func(k certs.Held) bool { return k.Name == path }); i >= 0 {
			p.Held = append(p.Held, known[i])
		}
	}
}

// maxFile bounds a file with certificates, in bytes.
const maxFile = 4 << 20

// file prints a file of the pod. What looks like a key is not asked for.
func (l *looker) file(ctx context.Context, p *certs.Pod, path string) (certs.Held, error) {
	if strings.Contains(strings.ToLower(path), "key") {
		return certs.Held{}, errors.New("its name is that of a key")
	}
	body, err := l.asker.Run(ctx, p.Namespace, p.Pod, []string{"cat", path})
	if err != nil {
		return certs.Held{}, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxFile+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return certs.Held{}, err
	}
	if len(text) > maxFile {
		return certs.Held{}, errors.New("it is too large for certificates")
	}
	return certs.File(path, text)
}

// users finds the clusters and listeners whose TLS uses a secret. What cannot be read is noted: it takes nothing from the certificates.
func (l *looker) users(ctx context.Context, p *certs.Pod) {
	proxies := []snapshot.Proxy{{Namespace: p.Namespace, Pod: p.Pod, Role: snapshot.AtSidecar}} // a gateway's would ask for all the rest too
	err := gather.ReadProxies(ctx, l, proxies, gather.Options{Deadline: deadline, Via: l.o.Via})
	if err == nil && proxies[0].State.Kind != snapshot.Read {
		err = errors.New(proxies[0].State.Detail)
	}
	if err != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("what uses the certificates could not be read: %v", err))
		return
	}
	of := map[string][]string{}
	use := func(t *admin.TLS, by string) {
		if t == nil {
			return
		}
		for _, name := range []string{t.Certificate, t.Validation} {
			if name != "" && !slices.Contains(of[name], by) {
				of[name] = append(of[name], by)
			}
		}
	}
	for _, c := range proxies[0].Config.Clusters {
		use(c.TLS, "cluster "+c.Name)
	}
	for _, listener := range proxies[0].Config.Listeners {
		for _, chain := range listener.Chains {
			use(chain.TLS, "listener "+listener.Name)
		}
	}
	for i := range p.Held {
		users := of[p.Held[i].Name]
		slices.Sort(users)
		p.Held[i].Users = users
	}
}
