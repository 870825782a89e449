package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// identity is how one lane's objects are told from all others.
type identity struct {
	id              string
	parent          string // path of the parent
	secretsAreFresh bool   // made anew at every run, so that only their keys can be compared
}

func setIdentity(namespace, name string) identity {
	return identity{id: egress.ApplySetID(namespace, name), parent: "/api/v1/namespaces/" + namespace + "/configmaps/" + egress.ParentName(name)}
}

func bundleIdentity(kind, namespace, name string) identity {
	if kind == "credential" {
		return identity{id: egress.ParentID("Secret", namespace, name), parent: "/api/v1/namespaces/" + namespace + "/secrets/" + name}
	}
	parent := "egress." + kind + "." + name
	return identity{
		id: egress.ParentID("ConfigMap", namespace, parent), parent: "/api/v1/namespaces/" + namespace + "/configmaps/" + parent,
		secretsAreFresh: kind == "sample",
	}
}

// wherever lists every kind that the tool writes.
var wherever = []string{
	"/api/v1/namespaces", "/api/v1/serviceaccounts", "/api/v1/secrets", "/api/v1/configmaps", "/api/v1/services", "/apis/apps/v1/deployments",
	"/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings", "/apis/autoscaling/v2/horizontalpodautoscalers",
	"/apis/policy/v1/poddisruptionbudgets", "/apis/networking.istio.io/v1/serviceentries", "/apis/networking.istio.io/v1/gateways",
	"/apis/networking.istio.io/v1/destinationrules", "/apis/networking.istio.io/v1/virtualservices", "/apis/networking.istio.io/v1alpha3/envoyfilters",
}

// state reads all objects of an identity from the API server itself, as people see them: without what the server and its controllers
// keep for themselves.
func state(base *url.URL, transport http.RoundTripper, who identity) (map[string]any, error) {
	objs := map[string]any{}
	selector := "?labelSelector=" + url.QueryEscape(egress.LabelPartOf+"="+who.id)
	for _, path := range wherever {
		var list struct{ Items []map[string]any }
		if _, err := read(base, transport, path+selector, &list); err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			objs[path+" "+nameOf(o)] = visible(o, who)
		}
	}
	var parent map[string]any
	found, err := read(base, transport, who.parent, &parent)
	if found {
		objs[who.parent] = visible(parent, who)
	}
	return objs, err
}

func read(base *url.URL, transport http.RoundTripper, path string, into any) (found bool, err error) {
	client := http.Client{Transport: transport}
	response, err := client.Get(strings.TrimSuffix(base.String(), "/") + path)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }() // was read to its end
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return false, err
	case response.StatusCode == http.StatusNotFound:
		return false, nil
	case response.StatusCode != http.StatusOK:
		return false, fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return true, json.Unmarshal(body, into)
}

func nameOf(o map[string]any) string {
	u := unstructured.Unstructured{Object: o}
	return u.GetNamespace() + "/" + u.GetName()
}

func visible(o map[string]any, who identity) map[string]any {
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"} {
		unstructured.RemoveNestedField(o, "metadata", field)
	}
	unstructured.RemoveNestedField(o, "metadata", "annotations", "deployment.kubernetes.io/revision")
	unstructured.RemoveNestedField(o, "spec", "clusterIP")
	unstructured.RemoveNestedField(o, "spec", "clusterIPs")
	delete(o, "status")
	if data, ok := o["data"].(map[string]any); ok && who.secretsAreFresh {
		for key := range data {
			data[key] = "fresh"
		}
	}
	if who.secretsAreFresh { // the pods' template names them by their hash
		unstructured.RemoveNestedField(o, "spec", "template", "metadata", "annotations")
	}
	return o
}
