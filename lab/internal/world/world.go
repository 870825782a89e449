//go:build linux

// Package world brings what Istio's egress documents talk about: clients in the mesh, servers outside of it.
package world

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/cluster"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/wait"
)

//go:embed objects
var objects embed.FS

// A certificate of the outside world lives a year, and is made anew when less than a month is left.
const (
	certValid = 365 * 24 * time.Hour
	certLeft  = 30 * 24 * time.Hour
)

// ClientCert is the name of the client certificate in the outside folder, for servers that demand one.
const ClientCert = "client"

// certificates are those of the outside world by name: one for each server, and the client's.
func certificates() map[string]pki.Leaf {
	server := func(names ...string) pki.Leaf {
		return pki.Leaf{Subject: pki.Name("some organization", names[0]), Names: names}
	}
	return map[string]pki.Leaf{
		"www":      server("*.wikipedia.org", "wikipedia.org"),
		"en":       server("en.wikipedia.org"),
		"de":       server("de.wikipedia.org"),
		"cnn":      server("edition.cnn.com"),
		"many":     server("*.example.com", "*.example.net", "*.example.org"),
		ClientCert: {Subject: pki.Name("client organization", "client.example.com")},
	}
}

// Steps are the work of `load`. Doing it again changes nothing.
func Steps(s site.Site, r build.Record) []steps.Step {
	list := []steps.Step{
		// Namespaces first: a pod gets a sidecar only if its namespace is labelled when it is created.
		{Name: "namespaces", Do: func(ctx context.Context, _ func(string)) error { return namespaces(ctx, s, r) }},
		{Name: "certificates", Needs: []string{"namespaces"}, Do: func(ctx context.Context, _ func(string)) error { return certify(ctx, s, r) }},
		{Name: "servers", Needs: []string{"certificates"}, Do: func(ctx context.Context, _ func(string)) error { return apply(ctx, s, r, "outside.yaml") }},
		{Name: "clients", Needs: []string{"certificates"}, Do: func(ctx context.Context, _ func(string)) error { return apply(ctx, s, r, "clients.yaml") }},
	}
	for _, d := range cluster.World() {
		need := "clients"
		if d.Namespace == "mesh-external" {
			need = "servers"
		}
		list = append(list, steps.Step{Name: d.String(), Needs: []string{need}, Do: func(ctx context.Context, _ func(string)) error {
			api, err := cluster.Connect(s)
			if err != nil {
				return err
			}
			if err := api.Wait(ctx, d); err != nil {
				return err
			}
			return sidecars(ctx, api, d)
		}})
	}
	return list
}

func apply(ctx context.Context, s site.Site, r build.Record, name string) error {
	text, err := objects.ReadFile("objects/" + name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return cluster.Apply(ctx, s, r, "-", text)
}

// namespaces makes them and waits until istiod has put its root certificate there: a pod that comes first cannot mount
// it, and the kubelet tries again only after eight seconds.
func namespaces(ctx context.Context, s site.Site, r build.Record) error {
	if err := apply(ctx, s, r, "namespaces.yaml"); err != nil {
		return err
	}
	api, err := cluster.Connect(s)
	if err != nil {
		return err
	}
	for _, ns := range meshed() {
		err := wait.For(ctx, 50*time.Millisecond, "istiod to know namespace "+ns, func(ctx context.Context) error {
			var ignored struct{}
			return api.Get(ctx, "/api/v1/namespaces/"+ns+"/configmaps/istio-ca-root-cert", &ignored)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// meshed are the namespaces whose pods get sidecars.
func meshed() []string { return []string{"default", "other"} }

// certify makes the certificates that are not there yet and puts them on the cluster.
func certify(ctx context.Context, s site.Site, r build.Record) error {
	pair, err := pki.Load(s.Outside(), "ca")
	if err != nil {
		return err
	}
	ca, err := pki.ParseAuthority(pair)
	if err != nil {
		return err
	}
	pairs := map[string]pki.Pair{}
	for name, leaf := range certificates() {
		if pairs[name], err = certificate(s.Outside(), name, leaf, ca); err != nil {
			return err
		}
	}
	text, err := certObjects(ca.Cert, pairs)
	if err != nil {
		return err
	}
	return cluster.Apply(ctx, s, r, "-", text)
}

// certificate is the one kept in dir, or a new one if that is missing, of another CA, or about to end.
func certificate(dir, name string, leaf pki.Leaf, ca *pki.Authority) (pki.Pair, error) {
	was, err := pki.Load(dir, name)
	if err == nil && ca.Signed(was.Cert, time.Now().Add(certLeft)) {
		return was, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pki.Pair{}, err
	}
	pair, err := ca.Issue(leaf, certValid)
	if err != nil {
		return pki.Pair{}, err
	}
	return pair, pair.Save(dir, name)
}

type object struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Type       string            `json:"type,omitempty"`
	Data       map[string]any    `json:"data"`
}

// certObjects are the servers' Secrets and, for the clients, the CA in a ConfigMap each; as one JSON text per object.
func certObjects(ca []byte, pairs map[string]pki.Pair) ([]byte, error) {
	var all []object
	for _, name := range []string{"www", "en", "de", "cnn", "many"} {
		all = append(all, object{
			APIVersion: "v1", Kind: "Secret", Type: "Opaque",
			Metadata: map[string]string{"name": name + "-certs", "namespace": "mesh-external"},
			// []byte comes out as base64, as Secrets want it.
			Data: map[string]any{"tls.crt": pairs[name].Cert, "tls.key": pairs[name].Key, "ca.crt": ca},
		})
	}
	for _, ns := range []string{"default", "other", "nomesh"} {
		all = append(all, object{
			APIVersion: "v1", Kind: "ConfigMap", Metadata: map[string]string{"name": "outside-ca", "namespace": ns},
			Data: map[string]any{"ca.crt": string(ca)},
		})
	}
	var b bytes.Buffer
	for _, o := range all {
		if err := json.NewEncoder(&b).Encode(o); err != nil {
			return nil, fmt.Errorf("write %s %s: %w", o.Kind, o.Metadata["name"], err)
		}
	}
	return b.Bytes(), nil
}

// sidecars looks whether the pods of a Deployment have a proxy exactly where they should: a client that was meant to be
// in the mesh and is not would make every test after it lie.
func sidecars(ctx context.Context, api *cluster.API, d cluster.Deployment) error {
	type container struct{ Name string }
	var pods struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ InitContainers, Containers []container }
		}
	}
	if err := api.Get(ctx, "/api/v1/namespaces/"+d.Namespace+"/pods?labelSelector=app%3D"+d.Name, &pods); err != nil {
		return err
	}
	want := slices.Contains(meshed(), d.Namespace)
	for _, p := range pods.Items {
		has := false
		for _, c := range append(p.Spec.InitContainers, p.Spec.Containers...) {
			has = has || c.Name == "istio-proxy" // an init container where Istio uses native sidecars
		}
		if has != want {
			return fmt.Errorf("pod %s/%s: sidecar present: %t, wanted: %t", d.Namespace, p.Metadata.Name, has, want)
		}
	}
	if len(pods.Items) == 0 {
		return fmt.Errorf("deployment %s has no pod: %w", d, os.ErrNotExist)
	}
	return nil
}
