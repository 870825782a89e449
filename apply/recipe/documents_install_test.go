package recipe_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
)

// TestInstallations holds the gateways and servers that are installed here against those that the documents install: all that a
// document installs is there, or in the table with what is there instead. What ours has beyond it is not its business.
func TestInstallations(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		for _, i := range d.installs {
			t.Run(d.folder+"/"+i.section, func(t *testing.T) {
				t.Parallel()
				theirs, ours := i.document(t, d), newInstalled()
				for _, o := range i.objects(t) {
					ours.read(t, o)
				}
				if len(theirs.said) == 0 || len(ours.said) == 0 {
					t.Fatalf("nothing was read: theirs %v, ours %v", theirs.said, ours.said)
				}
				var want, missing []string
				for _, differs := range i.differs {
					want = append(want, differs.theirs...)
					for _, instead := range differs.ours {
						if !ours.said[instead] {
							t.Errorf("the table says that ours says %q, and it does not:\n  %s", instead, strings.Join(slices.Sorted(maps.Keys(ours.said)), "\n  "))
						}
					}
				}
				for sentence := range theirs.said {
					if !ours.said[sentence] {
						missing = append(missing, sentence)
					}
				}
				slices.Sort(want)
				slices.Sort(missing)
				if diff := cmp.Diff(want, missing); diff != "" {
					t.Errorf("what the document installs and ours does not (-table +found):\n%s\nours:\n  %s", diff, strings.Join(slices.Sorted(maps.Keys(ours.said)), "\n  "))
				}
			})
		}
	}
}

func (i installation) document(t *testing.T, d document) *installed {
	t.Helper()
	theirs := newInstalled()
	for _, b := range i.blocks {
		text, err := os.ReadFile(filepath.Join(documentsDir, d.folder, b))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(b, "san.conf"):
			theirs.request(string(text))
		case strings.HasSuffix(b, ".conf"):
			theirs.nginx(t, string(text))
		case strings.HasSuffix(b, "-values.yaml"):
			theirs.values(t, text)
		default:
			for _, o := range decode(t, b, text) {
				theirs.read(t, o)
			}
		}
	}
	return theirs
}

// installed is what objects of Kubernetes install, in sentences, as far as the documents speak of it: ports, containers with
// their images and files, replicas, rights, and what nginx is told. Names of volumes and of what is in them are left out,
// and so are requests, limits, probes and the other manners of a good neighbour.
type installed struct{ said map[string]bool }

func newInstalled() *installed { return &installed{said: map[string]bool{}} }

func (i *installed) say(format string, args ...any) { i.said[fmt.Sprintf(format, args...)] = true }

func (i *installed) read(t *testing.T, u *unstructured.Unstructured) {
	t.Helper()
	spec, _ := u.Object["spec"].(map[string]any)
	switch u.GetKind() {
	case "Service":
		kind := takeString(spec, "type")
		if kind == "" {
			kind = "ClusterIP"
		}
		for _, p := range takeMaps(spec, "ports") {
			i.say("%s Service %s/%s: port %v", kind, u.GetNamespace(), u.GetName(), p["port"])
		}
	case "Deployment":
		template := takeMap(spec, "template")
		if a, _, _ := unstructured.NestedString(template, "metadata", "annotations", "inject.istio.io/templates"); a != "" {
			i.say("injected by template %s", a)
		}
		i.pod(takeMap(template, "spec"))
	case "HorizontalPodAutoscaler":
		percent := "?"
		for _, m := range takeMaps(spec, "metrics") {
			percent = fmt.Sprint(takeMap(takeMap(m, "resource"), "target")["averageUtilization"])
		}
		i.say("replicas %v to %v at %s %% CPU", spec["minReplicas"], spec["maxReplicas"], percent)
	case "Role":
		for _, r := range takeMaps(u.Object, "rules") {
			verbs := takeStrings(r, "verbs")
			slices.Sort(verbs)
			i.say("may %s %s", strings.Join(verbs, ","), strings.Join(append(takeStrings(r, "resources"), takeStrings(r, "resourceNames")...), " "))
		}
	case "RoleBinding":
		for _, s := range takeMaps(u.Object, "subjects") {
			if takeString(s, "namespace") == "" {
				i.say("RoleBinding whose subject has no namespace")
			}
		}
	case "ConfigMap":
		if conf, ok, _ := unstructured.NestedString(u.Object, "data", "nginx.conf"); ok {
			i.nginx(t, conf)
		}
	case "Secret":
		if kind, _, _ := unstructured.NestedString(u.Object, "type"); kind == "kubernetes.io/tls" { // the server's
			i.certificate(t, u)
		}
	case "Telemetry":
		for _, l := range takeMaps(spec, "accessLogging") {
			for _, p := range takeMaps(l, "providers") {
				i.say("access log of all workloads by provider %v", p["name"])
			}
		}
	case "Namespace", "ServiceAccount", "PodDisruptionBudget":
	default:
		if !strings.HasPrefix(u.GetAPIVersion(), recipe.Group+"/") { // those are TestDocuments' business
			t.Errorf("%s %s is not read", u.GetKind(), u.GetName())
		}
	}
}

func (i *installed) pod(spec map[string]any) {
	volumes := map[string]string{}
	for _, v := range takeMaps(spec, "volumes") {
		for _, kind := range []string{"configMap", "secret", "emptyDir"} {
			if _, ok := v[kind]; ok {
				volumes[fmt.Sprint(v["name"])] = kind
			}
		}
	}
	for _, c := range takeMaps(spec, "containers") {
		i.container(c, volumes)
	}
}

func (i *installed) container(c map[string]any, volumes map[string]string) {
	name := takeString(c, "name")
	i.say("container %s of image %s", name, takeString(c, "image"))
	for _, m := range takeMaps(c, "volumeMounts") {
		if kind := volumes[fmt.Sprint(m["name"])]; kind != "emptyDir" {
			i.say("container %s has a %s at %v", name, kind, m["mountPath"])
		}
	}
	security := takeMap(c, "securityContext")
	if user, ok := security["runAsUser"]; ok {
		i.say("container %s runs as user %v", name, user)
	}
	for _, drop := range takeStrings(takeMap(security, "capabilities"), "drop") {
		i.say("container %s drops %s", name, drop)
	}
}

// values reads what Istio's own charts were told about the gateway: they made the rest.
func (i *installed) values(t *testing.T, text []byte) {
	t.Helper()
	var values struct {
		Gateways map[string]any `json:"gateways"`
	}
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	for name, v := range values.Gateways {
		gw, ok := v.(map[string]any)
		if !ok || takeString(gw, "enabled") != "true" {
			continue
		}
		kind := takeString(gw, "type")
		for _, p := range takeMaps(gw, "ports") {
			i.say("%s Service istio-system/%s: port %v", kind, name, p["port"])
		}
		cpu := takeMap(gw, "cpu")
		i.say("replicas %v to %v at %v %% CPU", gw["autoscaleMin"], gw["autoscaleMax"], cpu["targetAverageUtilization"])
		volumes := map[string]string{}
		for _, v := range takeMaps(gw, "configVolumes") {
			volumes[fmt.Sprint(v["name"])] = "configMap"
		}
		for _, v := range takeMaps(gw, "secretVolumes") {
			i.say("container istio-proxy has a secret at %v", v["mountPath"])
		}
		for _, c := range takeMaps(gw, "additionalContainers") {
			i.container(c, volumes)
		}
	}
}
