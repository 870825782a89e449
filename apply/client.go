package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// Client is what this package needs of the API server; *kube.Client is one. Errors are told apart by kube's sentinels.
type Client interface {
	Get(ctx context.Context, r kube.Resource, namespace, name string, into any) error
	List(ctx context.Context, r kube.Resource, namespace string, o kube.ListOptions, item func(json.RawMessage) error) error
	Apply(ctx context.Context, r kube.Resource, obj *unstructured.Unstructured, o kube.ApplyOptions) (*unstructured.Unstructured, error)
	Delete(ctx context.Context, r kube.Resource, namespace, name string, o kube.DeleteOptions) error
	ServedVersions(ctx context.Context, group string) ([]string, error)
}

// Ref names an object.
type Ref struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is "Gateway default/egress-news", or "Namespace egress" where there is no namespace around it.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

func refOf(u *unstructured.Unstructured) Ref {
	return Ref{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}
}

// Kinds that are told apart from the rest.
const (
	kindNamespace = "Namespace"
	kindConfigMap = "ConfigMap" // most parents, and some members
	kindSecret    = "Secret"
)

// kind is a kind of objects that bundles consist of, and where the API server keeps it.
type kind struct {
	schema.GroupVersionKind
	plural string
}

// kinds are in the order of writing: what others stand on first, and what moves the traffic last. Deleting goes the other way
// round.
var kinds = []kind{
	core(kindNamespace, "namespaces"),
	core("ServiceAccount", "serviceaccounts"),
	grouped("rbac.authorization.k8s.io", "v1", "Role", "roles"),
	grouped("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
	core(kindSecret, "secrets"),
	core(kindConfigMap, "configmaps"),
	core("Service", "services"),
	grouped("apps", "v1", kindDeployment, "deployments"),
	grouped("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
	grouped("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
	grouped(recipe.Group, "", "ServiceEntry", "serviceentries"),
	grouped(recipe.Group, "", "Gateway", "gateways"),
	grouped(recipe.Group, "", "DestinationRule", "destinationrules"),
	grouped(recipe.Group, "v1alpha3", "EnvoyFilter", "envoyfilters"), // never went beyond v1alpha3
	grouped(recipe.Group, "", "VirtualService", "virtualservices"),
}

func core(name, plural string) kind { return grouped("", "v1", name, plural) }

func grouped(group, version, name, plural string) kind {
	return kind{schema.GroupVersionKind{Group: group, Version: version, Kind: name}, plural}
}

// rank orders kinds by writing; -1 is none of ours.
func rank(name string) int {
	return slices.IndexFunc(kinds, func(k kind) bool { return k.Kind == name })
}

// ofIstio says whether a kind is one of networking.istio.io. These are many to a set and small, so that they are listed whole;
// others are never read unless by name or label: Secrets and ConfigMaps of other people are none of our business.
func ofIstio(name string) bool {
	i := rank(name)
	return i >= 0 && kinds[i].Group == recipe.Group
}

// api knows where the API server keeps each kind.
type api struct {
	networking string // version of Istio's group
}

// served asks the cluster for the newest version of Istio's group.
func served(ctx context.Context, c Client) (api, error) {
	versions, err := c.ServedVersions(ctx, recipe.Group)
	if err != nil {
		return api{}, fmt.Errorf("find the version of %s: %w", recipe.Group, err)
	}
	for _, v := range versions {
		if v == "v1" || v == "v1beta1" || v == "v1alpha3" {
			return api{networking: v}, nil
		}
	}
	return api{}, fmt.Errorf("the cluster serves %s only in versions %s; v1, v1beta1 or v1alpha3 is needed", recipe.Group, strings.Join(versions, ", "))
}

func (a api) gvk(kind string) schema.GroupVersionKind {
	k := kinds[rank(kind)].GroupVersionKind
	if k.Version == "" {
		k.Version = a.networking
	}
	return k
}

func (a api) resource(kind string) kube.Resource {
	k := a.gvk(kind)
	return kube.Resource{Group: k.Group, Version: k.Version, Resource: kinds[rank(kind)].plural}
}

// object reads an item of a list, which need not name its kind.
func (a api) object(kind string, raw json.RawMessage) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	apiVersion, name := a.gvk(kind).ToAPIVersionAndKind()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("decode a %s: %w", kind, err)
	}
	fields["apiVersion"], fields["kind"] = json.RawMessage(`"`+apiVersion+`"`), json.RawMessage(`"`+name+`"`)
	whole, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("decode a %s: %w", kind, err)
	}
	if err := u.UnmarshalJSON(whole); err != nil {
		return nil, fmt.Errorf("decode a %s: %w", kind, err)
	}
	return u, nil
}

// get reads one object.
func (a api) get(ctx context.Context, c Client, ref Ref) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := c.Get(ctx, a.resource(ref.Kind), ref.Namespace, ref.Name, u); err != nil {
		return nil, err
	}
	return u, nil
}
