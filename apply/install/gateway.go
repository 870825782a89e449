package install

import (
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// KindGateway is the kind of bundle that a gateway is.
const KindGateway = "gateway"

// DefaultGateway is the gateway of the blog post "Routing HTTPS/TLS traffic to arbitrary remote destinations", whose Service
// is egressgateway in namespace istio-egress.
func DefaultGateway() egress.GatewayRef {
	return egress.GatewayRef{Namespace: "istio-egress", Service: "egressgateway"}
}

// Replicas of a gateway, as Istio's own chart has them.
const (
	DefaultMin = 1
	DefaultMax = 5
	maxLabel   = 63
)

// proxyUser is the user that Envoy runs as (blog post "Routing HTTPS/TLS traffic to arbitrary remote destinations"; Istio's
// charts have the same).
const proxyUser = int64(1337)

// ports of a gateway: what its Service offers, and where Envoy listens. Ports below 1024 would need rights.
const (
	portHTTP, targetHTTP = int64(80), int64(8080)
	portTLS, targetTLS   = int64(443), int64(8443)
)

// Gateway is an egress gateway of one's own.
type Gateway struct {
	Ref          egress.GatewayRef // all of its objects have the Service's name, or one that begins with it
	Revision     string            // label istio.io/rev of the pods; empty: the mesh's default
	Min, Max     int               // replicas; 0: DefaultMin and DefaultMax
	NodeSelector map[string]string // task "Configure an Egress Gateway": egress through nodes of its own
	Tolerations  []Toleration
	SNIProxy     *SNIProxy // nil: none
}

// Check says what is wrong with the gateway before a cluster is asked. The error is an *egress.InputError.
func (g Gateway) Check() error {
	if _, err := egress.ParseGatewayRef(g.Ref.String()); err != nil {
		return err
	}
	if g.Ref.Service[0] >= '0' && g.Ref.Service[0] <= '9' {
		return egress.Inputf("%q begins with a digit, and names of Services begin with a letter", g.Ref.Service)
	}
	if g.min() < 1 {
		return egress.Inputf("--replicas-min=%d: a gateway has at least one replica", g.min())
	}
	if g.max() < g.min() {
		return egress.Inputf("--replicas-max=%d is less than --replicas-min=%d", g.max(), g.min())
	}
	if g.SNIProxy != nil {
		return g.SNIProxy.check()
	}
	return nil
}

func (g Gateway) min() int {
	if g.Min == 0 {
		return DefaultMin
	}
	return g.Min
}

func (g Gateway) max() int {
	if g.Max == 0 {
		return max(DefaultMax, g.min())
	}
	return g.Max
}

// ServiceAccount is the gateway's, named as the documents name those of gateways.
func (g Gateway) ServiceAccount() string { return g.Ref.Service + "-service-account" }

// Labels select the gateway's pods. Label istio is what documents select by, across all namespaces; so its value names the
// namespace too: "egressgateway" alone would also be Istio's own gateway, and configuration made for one would reach the other.
func (g Gateway) Labels() map[string]string {
	value := g.Ref.Service + "." + g.Ref.Namespace
	if !strings.Contains(value, "egress") { // by which discovery knows an egress gateway
		value = "egressgateway." + value
	}
	return map[string]string{"app": g.Ref.Service, "istio": egress.Shorten(value, g.Ref.String(), maxLabel)}
}

// Objects gives everything that a gateway consists of, its Namespace first.
func (g Gateway) Objects() []*unstructured.Unstructured {
	ns, name, labels := g.Ref.Namespace, g.Ref.Service, g.Labels()
	objs := []*unstructured.Unstructured{
		namespaceObject(ns),
		object("v1", "ServiceAccount", ns, g.ServiceAccount(), labels, nil),
		g.role(),
		g.roleBinding(),
	}
	if g.SNIProxy != nil {
		objs = append(objs, object("v1", "ConfigMap", ns, g.configMap(), labels, fields{
			"data": fields{"nginx.conf": g.SNIProxy.Config()},
		}))
	}
	return append(objs,
		object("v1", "Service", ns, name, labels, fields{"spec": fields{
			"type":     "ClusterIP",
			"selector": anyMap(labels),
			"ports": list{
				fields{"name": "http2", "port": portHTTP, "targetPort": targetHTTP, "protocol": "TCP"},
				fields{"name": "https", "port": portTLS, "targetPort": targetTLS, "protocol": "TCP"},
			},
		}}),
		object("apps/v1", "Deployment", ns, name, labels, fields{"spec": g.deploymentSpec()}),
		object("autoscaling/v2", "HorizontalPodAutoscaler", ns, name, labels, fields{"spec": fields{
			"scaleTargetRef": fields{"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
			"minReplicas":    int64(g.min()),
			"maxReplicas":    int64(g.max()),
			"metrics": list{fields{"type": "Resource", "resource": fields{
				"name": "cpu", "target": fields{"type": "Utilization", "averageUtilization": int64(80)},
			}}},
		}}),
		// One at a time: minAvailable 1 would keep nodes with a gateway's only pod from being drained for ever.
		object("policy/v1", "PodDisruptionBudget", ns, name, labels, fields{"spec": fields{
			"maxUnavailable": int64(1),
			"selector":       fields{"matchLabels": anyMap(labels)},
		}}),
	)
}

// role lets the gateway's service account read the credentials that DestinationRules name: istiod hands a Secret of the
// gateway's namespace only to who may list Secrets there.
func (g Gateway) role() *unstructured.Unstructured {
	return object("rbac.authorization.k8s.io/v1", "Role", g.Ref.Namespace, g.roleName(), g.Labels(), fields{
		"rules": list{fields{"apiGroups": list{""}, "resources": list{"secrets"}, "verbs": list{"get", "watch", "list"}}},
	})
}

// roleBinding names the subject's namespace, without which the API server refuses it.
func (g Gateway) roleBinding() *unstructured.Unstructured {
	return object("rbac.authorization.k8s.io/v1", "RoleBinding", g.Ref.Namespace, g.roleName(), g.Labels(), fields{
		"roleRef":  fields{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": g.roleName()},
		"subjects": list{fields{"kind": "ServiceAccount", "name": g.ServiceAccount(), "namespace": g.Ref.Namespace}},
	})
}

func (g Gateway) roleName() string  { return g.Ref.Service + "-sds" }
func (g Gateway) configMap() string { return g.Ref.Service + "-sni-proxy" }

// deploymentSpec has no replicas: they are the autoscaler's, and whoever applies them would scale back.
func (g Gateway) deploymentSpec() fields {
	labels := anyMap(g.Labels())
	pod := fields{
		"serviceAccountName": g.ServiceAccount(),
		"containers":         list{envoyContainer()},
	}
	annotations := fields{
		"inject.istio.io/templates": "gateway",
		// What kubectl takes where no container is named; without it Istio names the first that is not its own.
		"kubectl.kubernetes.io/default-container":      "istio-proxy",
		"kubectl.kubernetes.io/default-logs-container": "istio-proxy",
	}
	if p := g.SNIProxy; p != nil {
		pod["containers"] = list{envoyContainer(), p.container()}
		pod["volumes"] = p.volumes(g.configMap())
		annotations[annotationConfig] = egress.Hash(p.Config())
	}
	if len(g.NodeSelector) > 0 {
		pod["nodeSelector"] = anyMap(g.NodeSelector)
	}
	if len(g.Tolerations) > 0 {
		pod["tolerations"] = tolerations(g.Tolerations)
	}
	// In a namespace of ambient mode ztunnel would take the gateway's own connections too.
	podLabels := fields{"sidecar.istio.io/inject": "true", "istio.io/dataplane-mode": "none"}
	maps.Copy(podLabels, labels)
	if g.Revision != "" {
		podLabels["istio.io/rev"] = g.Revision
	}
	return fields{
		"selector": fields{"matchLabels": labels},
		"template": fields{"metadata": fields{"labels": podLabels, "annotations": annotations}, "spec": pod},
	}
}

// annotationConfig changes with the SNI proxy's configuration, so that the pods are made anew: nginx reads it only once.
const annotationConfig = "kubectl-egress/sni-proxy-config"

// envoyContainer is filled in by Istio's injection. The API server takes the tag of image "auto" for latest and would default the
// pull policy to Always; injection puts in the image but keeps that policy.
func envoyContainer() fields {
	return fields{
		"name":            "istio-proxy",
		"image":           "auto",
		"imagePullPolicy": "IfNotPresent",
		"ports": list{
			fields{"containerPort": targetHTTP, "protocol": "TCP"},
			fields{"containerPort": targetTLS, "protocol": "TCP"},
		},
		// The autoscaler counts in what is requested. The figures are those of Istio's gateway chart.
		"resources":       resources("100m", "128Mi", fields{"cpu": "2", "memory": "1Gi"}),
		"securityContext": confined(proxyUser),
	}
}
