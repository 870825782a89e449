package diagnose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

// Wanted is a secret that a gateway shall hold.
type Wanted struct {
	Name string // Envoy's name for it: admin.CredentialSecret or admin.CASecret of a credentialName
	// Holds are the certificates that it shall hold, these and no others; nil: whichever.
	Holds []admin.HeldCertificate
}

// Active waits until every ready pod of the gateway says that the secrets of these names are active (admin.CredentialSecret,
// admin.CASecret). Envoy asks for a secret only when one of its clusters refers to it, so there must be a rule that does. It waits
// as long as the context lets it, and then says in a *NotHeldError what is missing; what waiting cannot mend, such as a right
// that is missing, is an error at once.
func Active(ctx context.Context, c gather.Client, gateway egress.GatewayRef, names ...string) error {
	wanted := make([]Wanted, 0, len(names))
	for _, n := range names {
		wanted = append(wanted, Wanted{Name: n})
	}
	return ActiveWith(ctx, c, gateway, wanted...)
}

// ActiveWith is Active for secrets with a certain content: after a change the gateway goes on with the old one until the new one has
// come, and also if it refuses the new one.
func ActiveWith(ctx context.Context, c gather.Client, gateway egress.GatewayRef, wanted ...Wanted) error {
	return pollSecrets(ctx, secretsOf(c, gateway), gateway, wanted)
}

// podSecrets is what one gateway pod holds and waits for.
type podSecrets struct {
	pod     string
	secrets []admin.HeldSecret
	err     error // it could not be read this time
}

// lookSecrets asks all ready pods of a gateway.
type lookSecrets func(context.Context) ([]podSecrets, error)

// podDeadline bounds the questions to one pod, so that one that hangs is told and does not hold up the rest.
const podDeadline = 5 * time.Second

// parallelPods is how many pods are asked at the same time.
const parallelPods = 8

func secretsOf(c gather.Client, gateway egress.GatewayRef) lookSecrets {
	var pods []string
	looks := 0
	return func(ctx context.Context) ([]podSecrets, error) {
		if looks%discoverEvery == 0 || len(pods) == 0 {
			gw, err := discover.Gateway(ctx, c, gateway)
			if err != nil {
				return nil, err
			}
			pods = nil
			for _, p := range gw.Pods {
				if p.Ready {
					pods = append(pods, p.Name)
				}
			}
		}
		looks++
		all := make([]podSecrets, len(pods))
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(parallelPods)
		for i, pod := range pods {
			group.Go(func() error {
				one, stop := context.WithTimeout(groupCtx, podDeadline)
				defer stop()
				secrets, err := heldBy(one, c, gateway.Namespace, pod)
				all[i] = podSecrets{pod, secrets, err}
				if hopeless(err) {
					return err
				}
				return nil
			})
		}
		err := group.Wait()
		all = slices.DeleteFunc(all, func(p podSecrets) bool {
			gone := errors.Is(p.err, kube.ErrAbsent)
			if gone {
				pods = nil // others have taken its place
			}
			return gone
		})
		return all, err
	}
}

// heldBy asks one pod for what Istio's secrets it holds and waits for. The mask leaves keys out.
func heldBy(ctx context.Context, c gather.Client, namespace, pod string) ([]admin.HeldSecret, error) {
	var all []admin.HeldSecret
	for _, list := range []string{admin.DynamicSecrets, admin.DynamicWarmingSecrets} {
		path := "/config_dump?resource=" + list + "&mask=" + url.QueryEscape(admin.SecretFields)
		err := gather.Ask(ctx, c, namespace, pod, path, func(body io.Reader) error {
			some, err := admin.ReadSecrets(body, list)
			all = append(all, some...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// hopeless says that waiting cannot help.
func hopeless(err error) bool {
	return errors.Is(err, kube.ErrForbidden) || errors.Is(err, kube.ErrUnreachable) || errors.Is(err, kube.ErrUnauthorized)
}

func pollSecrets(ctx context.Context, at lookSecrets, gateway egress.GatewayRef, wanted []Wanted) error {
	tick := time.NewTicker(holdTick)
	defer tick.Stop()
	last := fmt.Sprintf("gateway %s did not tell in time which secrets it holds", gateway)
	for {
		pods, err := at(ctx)
		switch {
		case ctx.Err() != nil:
			return &NotHeldError{Says: last, Err: ctx.Err()}
		case hopeless(err) || errors.Is(err, kube.ErrAbsent):
			return fmt.Errorf("look at the secrets of gateway %s: %w", gateway, err)
		case err != nil:
			last = err.Error()
		default:
			if last = misses(pods, gateway, wanted); last == "" {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return &NotHeldError{Says: last, Err: ctx.Err()}
		case <-tick.C:
		}
	}
}

// misses says which pod has not what of the wanted; empty if all have all.
func misses(pods []podSecrets, gateway egress.GatewayRef, wanted []Wanted) string {
	if len(pods) == 0 {
		return fmt.Sprintf("no pod of gateway %s is ready", gateway)
	}
	for _, p := range pods {
		if p.err != nil {
			return fmt.Sprintf("gateway pod %s could not be read: %v", p.pod, p.err)
		}
		for _, w := range wanted {
			if says := p.misses(w, gateway.Namespace); says != "" {
				return says
			}
		}
	}
	return ""
}

// misses says in which way a pod has not one secret. One that is warming as well as active is on its way to be replaced.
func (p podSecrets) misses(w Wanted, namespace string) string {
	var active, warming *admin.HeldSecret
	for i := range p.secrets {
		switch s := &p.secrets[i]; {
		case s.Name != w.Name:
		case s.Warming:
			warming = s
		default:
			active = s
		}
	}
	switch {
	case active == nil && warming == nil:
		return fmt.Sprintf("gateway pod %s has not asked for %s: nothing in its configuration refers to it", p.pod, w.Name)
	case active == nil:
		return fmt.Sprintf("gateway pod %s waits for %s and istiod does not send it: is the Secret in namespace %s, with tls.crt, tls.key and ca.crt?",
			p.pod, w.Name, namespace)
	case w.Holds != nil && !slices.Equal(fingerprints(active.Certificates), fingerprints(w.Holds)):
		return fmt.Sprintf("gateway pod %s still holds %s with %s of %s, not %s; if it stays so, istiod's log says why (ACK ERROR)",
			p.pod, w.Name, serials(active.Certificates), active.Updated, serials(w.Holds))
	}
	return ""
}

func fingerprints(certs []admin.HeldCertificate) []string {
	sums := make([]string, 0, len(certs))
	for _, c := range certs {
		sums = append(sums, c.SHA256)
	}
	return sums
}

// serials names certificates for people, the first of a chain or bundle.
func serials(certs []admin.HeldCertificate) string {
	switch len(certs) {
	case 0:
		return "no certificate"
	case 1:
		return "serial " + certs[0].Serial
	}
	return fmt.Sprintf("serial %s and %d more", certs[0].Serial, len(certs)-1)
}
