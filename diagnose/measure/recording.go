package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/mesh/discover"
	"github.com/kubectl-egress/kubectl-egress/stats/ask"
	"github.com/kubectl-egress/kubectl-egress/stats/counter"
)

// lookEvery is how often Recording looks.
const lookEvery = time.Second

// NotYetError says what was seen last when waiting ended.
type NotYetError struct {
	Says string
	Err  error // the context's
}

// Error is one line.
func (e *NotYetError) Error() string { return e.Says }

// Unwrap lets errors.Is see why the waiting ended.
func (e *NotYetError) Unwrap() error { return e.Err }

// Recording waits until every pod of the gateway is ready and records what is counted. It waits as long as the context lets it, and then says in a *NotYetError what is missing.
func Recording(ctx context.Context, c Client, gateway egress.GatewayRef) (pods int, err error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := fmt.Sprintf("gateway %s did not tell in time what it records", gateway)
	for {
		pods, says, err := recording(ctx, c, gateway)
		switch {
		case ctx.Err() != nil:
			return 0, &NotYetError{last, ctx.Err()}
		case errors.Is(err, kube.ErrForbidden), errors.Is(err, kube.ErrUnauthorized), errors.Is(err, kube.ErrUnreachable):
			return 0, err
		case err != nil:
			last = err.Error()
		case says == "":
			return pods, nil
		default:
			last = says
		}
		select {
		case <-ctx.Done():
			return 0, &NotYetError{last, ctx.Err()}
		case <-tick.C:
		}
	}
}

func recording(ctx context.Context, c Client, gateway egress.GatewayRef) (pods int, says string, err error) {
	gw, err := discover.Gateway(ctx, c, gateway)
	if err != nil {
		return 0, "", err
	}
	asker := ask.New(c, ask.Auto)
	for _, p := range gw.Pods {
		if !p.Ready {
			return 0, fmt.Sprintf("gateway pod %s is not ready", p.Name), nil
		}
		m, err := ask.Read(ctx, asker, gateway.Namespace, p.Name, "/config_dump?mask=bootstrap.stats_config.stats_matcher", matcher)
		if err != nil {
			return 0, "", err
		}
		if !counter.Recording(m) {
			return 0, fmt.Sprintf("gateway pod %s has not been restarted yet, or goes by other rules about statistics", p.Name), nil
		}
		pods++
	}
	if pods == 0 {
		return 0, fmt.Sprintf("no pod of gateway %s is there", gateway), nil
	}
	return pods, "", nil
}
