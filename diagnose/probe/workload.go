package probe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/kube"
)

// What is known of Istio's pods.
const (
	proxyContainer   = "istio-proxy"
	defaultContainer = "kubectl.kubernetes.io/default-container"
)

var podsResource = kube.Resource{Version: "v1", Resource: "pods"}

// object is what is read of a pod.
type object struct {
	Metadata struct {
		Namespace   string            `json:"namespace"`
		Name        string            `json:"name"`
		UID         string            `json:"uid"`
		Deleted     string            `json:"deletionTimestamp"`
		Annotations map[string]string `json:"annotations"`
		Owners      []struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		Containers []container `json:"containers"`
		Init       []container `json:"initContainers"` // native sidecars are among them
		Security   security    `json:"securityContext"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type    string `json:"type"`
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"conditions"`
		IPs []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
		Containers []containerStatus `json:"containerStatuses"`
		Ephemeral  []containerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

type container struct {
	Name     string   `json:"name"`
	Args     []string `json:"args"`
	Security security `json:"securityContext"`
}

// security says as whom a container runs.
type security struct {
	User  *int64 `json:"runAsUser"`
	Group *int64 `json:"runAsGroup"`
}

// workload is the pod that asks.
type workload struct {
	Namespace, Name, UID string
	Container            string // of the application, or the ephemeral one that was added
	Image                string // of a container that was made for the probe; empty: the workload's own asks
	user, group          int64  // as whom a container that is added has to run
	ips                  []string
}

// String is NAMESPACE/NAME.
func (w *workload) String() string { return w.Namespace + "/" + w.Name }

// pod names the container that asks.
func (w *workload) pod() kube.Pod {
	return kube.Pod{Namespace: w.Namespace, Name: w.Name, Container: w.Container}
}

// find chooses the pod that asks: with a sidecar, or, to go round the gateway, without. An empty namespace means all.
func find(ctx context.Context, c Client, namespace, from string, bare bool) (workload, error) {
	all, err := kube.ListOf[object](ctx, c, podsResource, namespace, kube.ListOptions{})
	if err != nil {
		return workload{}, fmt.Errorf("look for the workload: %w", err)
	}
	egress.SortFunc(all, func(a, b object) int { return cmp.Compare(a.Metadata.Name, b.Metadata.Name) })
	named := slices.DeleteFunc(all, func(p object) bool { return from != "" && !p.is(from) })
	other := false
	for _, p := range named {
		switch {
		case !p.ready():
		case p.meshed() == bare || !bare && !p.sidecar():
			other = true
		default:
			return p.workload(), nil
		}
	}
	switch {
	case from == "":
		return workload{}, fmt.Errorf("no pod with a sidecar is ready in namespace %s; name one with --from and -n, or make one: sample install sleep", namespace)
	case len(named) == 0:
		return workload{}, egress.Inputf("--from=%s: there is no such pod or Deployment with pods in namespace %s", from, namespace)
	case other && bare:
		return workload{}, egress.Inputf("--from=%s: its traffic is in the mesh's hands (a sidecar's, a gateway's or ztunnel's); name a pod that is in no mesh", from)
	case other:
		return workload{}, fmt.Errorf("%s has no sidecar: its traffic goes where the node sends it, and no proxy of the mesh tells of it", from)
	}
	return workload{}, fmt.Errorf("no pod of %s in namespace %s is ready", from, namespace)
}

// is says whether the pod is what --from names.
func (p *object) is(from string) bool {
	kind, name, both := strings.Cut(from, "/")
	if !both {
		return p.Metadata.Name == from
	}
	if strings.HasPrefix(kind, "po") {
		return p.Metadata.Name == name
	}
	for _, o := range p.Metadata.Owners {
		dash := strings.LastIndexByte(o.Name, '-') // a ReplicaSet is called after its Deployment
		if o.Kind == "ReplicaSet" && dash > 0 && o.Name[:dash] == name {
			return true
		}
	}
	return false
}

// CheckFrom says what is wrong with the name of a workload (*egress.InputError).
func CheckFrom(from string) error {
	kind, name, both := strings.Cut(from, "/")
	kinds := []string{"deploy", "deployment", "deployments", "po", "pod", "pods"}
	if both && (!slices.Contains(kinds, kind) || name == "" || strings.Contains(name, "/")) {
		return egress.Inputf("--from=%s: write deploy/NAME or POD, and the namespace as -n", from)
	}
	return nil
}

func (p *object) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && p.Metadata.Deleted == ""
		}
	}
	return false
}

// sidecar says whether Envoy runs beside a workload, not as a gateway.
func (p *object) sidecar() bool {
	c := p.proxy()
	return c != nil && !slices.Contains(c.Args, "router") && p.application() != ""
}

// meshed says whether a proxy of the mesh has the pod's traffic: a sidecar, ztunnel, or Envoy as a gateway.
func (p *object) meshed() bool {
	return p.proxy() != nil || p.Metadata.Annotations["ambient.istio.io/redirection"] == "enabled"
}

// proxy is the pod's Envoy; nil if it has none.
func (p *object) proxy() *container {
	for _, all := range [][]container{p.Spec.Containers, p.Spec.Init} {
		for i := range all {
			if all[i].Name == proxyContainer {
				return &all[i]
			}
		}
	}
	return nil
}

// application is the container that asks: the one that kubectl would take, or the first that is not Istio's.
func (p *object) application() string {
	wanted := p.Metadata.Annotations[defaultContainer]
	first := ""
	for _, c := range p.Spec.Containers {
		switch {
		case c.Name == proxyContainer:
		case c.Name == wanted:
			return c.Name
		case first == "":
			first = c.Name
		}
	}
	return first
}

func (p *object) workload() workload {
	w := workload{Namespace: p.Metadata.Namespace, Name: p.Metadata.Name, UID: p.Metadata.UID, Container: p.application()}
	w.user, w.group = p.ids(w.Container)
	for _, a := range p.Status.IPs {
		w.ips = append(w.ips, a.IP)
	}
	return w
}
