//go:build linux

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

// ErrAbsent says that an object does not exist.
var ErrAbsent = errors.New("not there")

// API reads from the lab's API server. Looking every few milliseconds by kubectl would cost more than what is looked at.
type API struct {
	client *http.Client
	token  string
}

// Connect makes an API of the running lab's keys.
func Connect(s site.Site) (*API, error) {
	ca, err := os.ReadFile(s.Run("pki", "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("connect to the lab's API server: %w", err)
	}
	tokens, err := os.ReadFile(s.Run("tokens.csv"))
	if err != nil {
		return nil, fmt.Errorf("connect to the lab's API server: %w", err)
	}
	token, _, _ := strings.Cut(string(tokens), ",")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("connect to the lab's API server: no certificate in its CA file")
	}
	return &API{
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		token:  token,
	}, nil
}

// Get reads the object or list at path. The error is ErrAbsent's kind if there is none.
func (a *API) Get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site.APIServer+path, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("get %s: %w", path, err)
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("get %s: %w", path, ErrAbsent)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("get %s: %s: %.300s", path, resp.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	return nil
}

// NodeReady is nil if the node can take pods.
func (a *API) NodeReady(ctx context.Context) error {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := a.Get(ctx, "/api/v1/nodes/"+site.NodeName, &node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type != "Ready" {
			continue
		}
		if c.Status == "True" {
			return nil
		}
		return errors.New("the node is not ready: " + c.Message)
	}
	return errors.New("the node has not said yet whether it is ready")
}

// Deployment names one.
type Deployment struct{ Namespace, Name string }

func (d Deployment) String() string { return d.Namespace + "/" + d.Name }

// RolledOut is nil if all pods of a Deployment are of its newest form and available; else it tells what they wait for.
func (a *API) RolledOut(ctx context.Context, d Deployment) error {
	var got struct {
		Metadata struct{ Generation int64 }
		Spec     struct{ Replicas int }
		Status   struct {
			ObservedGeneration                           int64
			Replicas, UpdatedReplicas, AvailableReplicas int
			Conditions                                   []struct{ Type, Status, Message string }
		}
	}
	if err := a.Get(ctx, "/apis/apps/v1/namespaces/"+d.Namespace+"/deployments/"+d.Name, &got); err != nil {
		return err
	}
	want := got.Spec.Replicas
	if st := got.Status; st.ObservedGeneration >= got.Metadata.Generation && st.UpdatedReplicas == want && st.Replicas == want && st.AvailableReplicas == want {
		return nil
	}
	why := []string{a.waiting(ctx, d)}
	for _, c := range got.Status.Conditions {
		if c.Type == "ReplicaFailure" && c.Status == "True" { // no pod could be made: a webhook that does not answer, a quota
			why = append(why, "; "+c.Message)
		}
	}
	return fmt.Errorf("deployment %s: %d of %d pods are available%s", d, got.Status.AvailableReplicas, want, strings.Join(why, ""))
}

// waiting tells, as far as it can be learned, what keeps the pods of a Deployment. It only adds to an error.
func (a *API) waiting(ctx context.Context, d Deployment) string {
	var pods struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Phase                                    string
				Conditions                               []struct{ Type, Status, Message string }
				InitContainerStatuses, ContainerStatuses []struct {
					Name  string
					State struct {
						Waiting *struct{ Reason, Message string }
					}
				}
			}
		}
	}
	if err := a.Get(ctx, "/api/v1/namespaces/"+d.Namespace+"/pods", &pods); err != nil {
		return ""
	}
	var b strings.Builder
	for _, p := range pods.Items {
		if !strings.HasPrefix(p.Metadata.Name, d.Name+"-") {
			continue
		}
		for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			if w := c.State.Waiting; w != nil {
				fmt.Fprintf(&b, "; %s/%s: %s %s", p.Metadata.Name, c.Name, w.Reason, w.Message)
			}
		}
		for _, c := range p.Status.Conditions {
			if c.Type == "PodScheduled" && c.Status == "False" {
				fmt.Fprintf(&b, "; %s: %s", p.Metadata.Name, c.Message)
			}
		}
	}
	return b.String()
}

// Wait waits until all Deployments are rolled out, each time asking for those only that were not before.
func (a *API) Wait(ctx context.Context, list ...Deployment) error {
	for _, d := range list {
		if err := wait.For(ctx, 150*time.Millisecond, d.String(), func(ctx context.Context) error { return a.RolledOut(ctx, d) }); err != nil {
			return err
		}
	}
	return nil
}
