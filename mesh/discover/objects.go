package discover

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/kube"
)

// What is read of Kubernetes' and Istio's objects: a few fields, so that a list of thousands stays small.
type (
	meta struct {
		Name              string            `json:"name"`
		Namespace         string            `json:"namespace"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	}
	container struct {
		Name  string   `json:"name"`
		Image string   `json:"image"`
		Args  []string `json:"args"`
		Ports []struct {
			Name          string `json:"name"`
			ContainerPort int    `json:"containerPort"`
			Protocol      string `json:"protocol"`
		} `json:"ports"`
		VolumeMounts []struct {
			Name      string `json:"name"`
			MountPath string `json:"mountPath"`
			SubPath   string `json:"subPath"`
		} `json:"volumeMounts"`
	}
	volume struct {
		Name      string `json:"name"`
		ConfigMap struct {
			Name  string `json:"name"`
			Items []struct {
				Key  string `json:"key"`
				Path string `json:"path"`
			} `json:"items"`
		} `json:"configMap"`
	}
	podSpec struct {
		ServiceAccountName string      `json:"serviceAccountName"`
		NodeName           string      `json:"nodeName"`
		InitContainers     []container `json:"initContainers"`
		Containers         []container `json:"containers"`
		Volumes            []volume    `json:"volumes"`
	}
	pod struct {
		Metadata meta    `json:"metadata"`
		Spec     podSpec `json:"spec"`
		Status   struct {
			Phase  string `json:"phase"`
			PodIP  string `json:"podIP"`
			PodIPs []struct {
				IP string `json:"ip"`
			} `json:"podIPs"`
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
		} `json:"status"`
	}
	deployment struct {
		Metadata meta `json:"metadata"`
		Spec     struct {
			Template struct {
				Spec podSpec `json:"spec"`
			} `json:"template"`
		} `json:"spec"`
	}
	service struct {
		Metadata meta `json:"metadata"`
		Spec     struct {
			Type     string            `json:"type"`
			Selector map[string]string `json:"selector"`
			Ports    []servicePort     `json:"ports"`
		} `json:"spec"`
	}
	servicePort struct {
		Name       string     `json:"name"`
		Port       int        `json:"port"`
		Protocol   string     `json:"protocol"`
		TargetPort targetPort `json:"targetPort"`
	}
	configMap struct {
		Data map[string]string `json:"data"`
	}
	peerAuthentication struct {
		Metadata meta `json:"metadata"`
		Spec     struct {
			Selector json.RawMessage `json:"selector"`
			MTLS     struct {
				Mode string `json:"mode"`
			} `json:"mtls"`
		} `json:"spec"`
	}
	meshPolicy struct {
		Spec struct {
			Peers []struct {
				MTLS *struct {
					Mode string `json:"mode"`
				} `json:"mtls"`
			} `json:"peers"`
		} `json:"spec"`
	}
)

var (
	podsResource        = kube.Resource{Version: "v1", Resource: "pods"}
	servicesResource    = kube.Resource{Version: "v1", Resource: "services"}
	configMapsResource  = kube.Resource{Version: "v1", Resource: "configmaps"}
	deploymentsResource = kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}
)

// targetPort is a number or the name of a container's port.
type targetPort struct {
	number int
	name   string
}

// UnmarshalJSON reads what Kubernetes calls an IntOrString.
func (t *targetPort) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &t.name); err != nil {
			return err
		}
		if n, err := strconv.Atoi(t.name); err == nil {
			*t = targetPort{number: n}
		}
		return nil
	}
	return json.Unmarshal(b, &t.number)
}

// sidecarName is the container that runs Envoy, in every version of Istio.
const sidecarName = "istio-proxy"

// proxy gives the container that runs Envoy. Since Istio 1.27 sidecars are init containers by default. Istio 1.0 called that of a
// gateway by the gateway's label, as the documents of its day do ("-c egressgateway").
func (s podSpec) proxy() (container, bool) {
	for _, list := range [][]container{s.Containers, s.InitContainers} {
		for _, c := range list {
			if c.Name == sidecarName {
				return c, true
			}
		}
	}
	for _, c := range s.Containers {
		if strings.Contains(c.Name, "egressgateway") && slices.Contains(c.Args, "router") {
			return c, true
		}
	}
	return container{}, false
}

// router tells a gateway's Envoy from a sidecar's: it runs as "proxy router", or its template is the gateway's.
func (p pod) router() bool {
	c, ok := p.Spec.proxy()
	if !ok {
		return false
	}
	if slices.Contains(c.Args, "router") {
		return true
	}
	templates := strings.Split(p.Metadata.Annotations["inject.istio.io/templates"], ",")
	return !slices.Contains(c.Args, "sidecar") && slices.ContainsFunc(templates, func(t string) bool { return strings.TrimSpace(t) == "gateway" })
}

// serving leaves out pods that ended or are about to.
func (p pod) serving() bool {
	return p.Metadata.DeletionTimestamp == nil && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

// ips are the pod's addresses of all families, as the kubelet orders them: the pod's IP comes first.
func (p pod) ips() []string {
	var all []string
	for _, ip := range p.Status.PodIPs {
		all = append(all, ip.IP)
	}
	return all
}

func (p pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// port finds a named port of the pod's containers.
func (p pod) port(name string) (int, bool) {
	for _, list := range [][]container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range list {
			for _, port := range c.Ports {
				if port.Name == name {
					return port.ContainerPort, true
				}
			}
		}
	}
	return 0, false
}

// argument reads "--name value" and "--name=value".
func argument(args []string, name string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value
		}
		if arg == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// tag is what follows the last colon of an image, without a digest; empty if there is none.
func tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	slash, colon := strings.LastIndex(image, "/"), strings.LastIndex(image, ":")
	if colon <= slash {
		return ""
	}
	return image[colon+1:]
}

func byName(a, b meta) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
