package check

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/captured"
)

// TestFixesMendTheObjects follows every printed command on the objects of its capture: it must apply to them as they are, and
// afterwards the check must no longer blame them, although the proxies are still those of the fault. That the proxies follow is
// shown on a real cluster, end to end.
func TestFixesMendTheObjects(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Concat(faults(), weaknesses()) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := captured.Load(t, name)
			_, findings := diagnosis(s)
			for _, f := range findings {
				if f.State != Fail && f.State != Warn {
					continue
				}
				if look, ok := byHand[f.Code]; ok {
					if !strings.HasPrefix(f.Fix, look) {
						t.Errorf("it begins otherwise than %q: %s", look, f.Fix)
					}
					continue
				}
				mended := follow(t, s, f.Fix)
				_, after := diagnosis(mended)
				if slices.ContainsFunc(after, func(g Finding) bool { return g.Code == f.Code && g.State == f.State }) {
					t.Errorf("%s is still there after\n%s", f.Code, f.Fix)
				}
			}
		})
	}
}

// byHand are the faults that are not in Istio's objects: pods, Secrets and containers that are not there can only be looked for, or
// made of what the program does not know.
var byHand = map[Code]string{
	"EGR006": "kubectl -n default logs sleep-",
	"EGR029": "kubectl -n istio-system create secret generic mtls-example-com-client ",
	"EGR048": "kubectl -n default patch deployment/way-out --type=merge -p ",
	"EGR009": "kubectl -n default patch deployment/past --type=merge -p ",
	"EGR026": "kubectl -n istio-system get pods -l ",
	"EGR028": "kubectl -n istio-system patch secret wrong-ca --type=merge -p ",
	"EGR031": "kubectl -n istio-system create secret generic not-there --from-file=ca.crt",
	"EGR038": "kubectl -n trace-egress exec gw-",
	"EGR041": "kubectl -n istio-system exec istio-egressgateway-",
	"EGR043": "kubectl -n istio-system edit envoyfilter sni",
	"EGR055": "kubectl -n istio-system rollout restart deployment/istio-egressgateway",
	"EGR047": "kubectl -n istio-system edit deployment/istio-egressgateway",
}

var (
	moved   = regexp.MustCompile(`^kubectl -n (\S+) get (\S+) (\S+) -o json \| kubectl patch --local -f - --type=json -p '([^']*)' -o json \| kubectl apply -f -$`)
	patched = regexp.MustCompile(`^kubectl -n (\S+) patch (\S+) (\S+) --type=json -p '([^']*)'$`)
	deleted = regexp.MustCompile(`^kubectl -n (\S+) delete (\S+) (\S+)$`)
)

// kinds are the words for kinds in commands, and the lists of a snapshot that they stand for.
var kinds = map[string]string{
	"gateways.networking.istio.io": "gateways", "virtualservice": "virtualServices", "destinationrule": "destinationRules",
	"serviceentry": "serviceEntries", "Gateway": "gateways", "VirtualService": "virtualServices", "DestinationRule": "destinationRules",
	"ServiceEntry": "serviceEntries", "Telemetry": "telemetries", "sidecars.networking.istio.io": "sidecars", "envoyfilter": "envoyFilters", "EnvoyFilter": "envoyFilters",
}

// follow does to the objects of a snapshot what commands say.
func follow(t *testing.T, s *snapshot.Snapshot, commands string) *snapshot.Snapshot {
	t.Helper()
	raw, err := json.Marshal(s.Objects)
	if err != nil {
		t.Fatal(err)
	}
	var objects map[string][]map[string]any
	if err := json.Unmarshal(raw, &objects); err != nil {
		t.Fatal(err)
	}
	find := func(list, namespace, name string) int {
		return slices.IndexFunc(objects[list], func(o map[string]any) bool {
			m := o["metadata"].(map[string]any)
			return m["namespace"] == namespace && m["name"] == name
		})
	}
	for rest := commands; rest != ""; {
		var command string
		if body, ok := strings.CutPrefix(rest, "kubectl apply -f - <<'EOF'\n"); ok {
			manifest, after, ended := strings.Cut(body, "\nEOF")
			if !ended {
				t.Fatalf("the manifest does not end: %s", rest)
			}
			rest = strings.TrimPrefix(after, "\n")
			var o map[string]any
			if err := json.Unmarshal([]byte(manifest), &o); err != nil {
				t.Fatalf("%v: %s", err, manifest)
			}
			list := kinds[o["kind"].(string)]
			objects[list] = append(objects[list], o)
			continue
		}
		command, rest, _ = strings.Cut(rest, "\n")
		if m := deleted.FindStringSubmatch(command); m != nil {
			i := find(kinds[m[2]], m[1], m[3])
			if i < 0 {
				t.Fatalf("there is nothing to delete: %s", command)
			}
			objects[kinds[m[2]]] = slices.Delete(objects[kinds[m[2]]], i, i+1)
			continue
		}
		if m := moved.FindStringSubmatch(command); m != nil {
			i := find(kinds[m[2]], m[1], m[3])
			if i < 0 {
				t.Fatalf("there is nothing to move: %s", command)
			}
			o := maps.Clone(objects[kinds[m[2]]][i])
			meta := maps.Clone(o["metadata"].(map[string]any))
			meta["uid"], meta["resourceVersion"] = "u", "1" // as the API server gives them
			o["metadata"] = meta
			objects[kinds[m[2]]] = append(objects[kinds[m[2]]], apply6902(t, o, m[4]))
			continue
		}
		m := patched.FindStringSubmatch(command)
		if m == nil {
			t.Fatalf("not a command that is known: %q", command)
		}
		i := find(kinds[m[2]], m[1], m[3])
		if i < 0 {
			t.Fatalf("there is nothing to patch: %s", command)
		}
		objects[kinds[m[2]]][i] = apply6902(t, objects[kinds[m[2]]][i], m[4])
	}
	out := *s
	out.Objects = snapshot.Objects{}
	if raw, err = json.Marshal(objects); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out.Objects); err != nil {
		t.Fatal(err)
	}
	return &out
}

// apply6902 applies a JSON patch as the API server does: with the same library.
func apply6902(t *testing.T, o map[string]any, patch string) map[string]any {
	t.Helper()
	p, err := jsonpatch.DecodePatch([]byte(patch))
	if err != nil {
		t.Fatalf("%v: %s", err, patch)
	}
	before, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	after, err := p.Apply(before)
	if err != nil {
		t.Fatalf("%v: %s\non %s", err, patch, before)
	}
	var out map[string]any
	if err := json.Unmarshal(after, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
