package recipe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kubectl-egress/kubectl-egress/apply/recipe"
	"github.com/kubectl-egress/kubectl-egress/egress"
	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// documentsDir holds the documents' own blocks.
var documentsDir = filepath.Join("..", "..", "testdata", "documents")

// TestDocuments holds what each command makes against what the document prints, by meaning. What differs on purpose is in
// the table to the letter: a difference that comes, goes or changes fails.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		for _, g := range d.groups {
			t.Run(d.folder+"/"+g.section, func(t *testing.T) {
				t.Parallel()
				set, facts := parseCommand(t, g.command)
				objs, err := recipe.Render(set, facts)
				if err != nil {
					t.Fatal(err)
				}
				theirs := meaningOf(facts, readBlocks(t, d, g))
				ours := meaningOf(facts, objs)
				if len(theirs) == 0 || len(ours) == 0 {
					t.Fatalf("no meaning: theirs %q, ours %q", theirs, ours)
				}
				var want []string
				for _, differs := range g.differs {
					want = append(want, signed("-", differs.theirs)...)
					want = append(want, signed("+", differs.ours)...)
				}
				slices.Sort(want)
				if diff := cmp.Diff(want, differences(theirs, ours)); diff != "" {
					t.Errorf("%s\nmeans, apart from what the table says (-table +found; within: - the document's, + ours):\n%s\nthe document means\n  %s\nours means\n  %s",
						g.command, diff, strings.Join(theirs, "\n  "), strings.Join(ours, "\n  "))
				}
				checkVersions(t, facts, objs)
			})
		}
	}
}

func signed(sign string, lines []string) []string {
	var all []string
	for _, l := range lines {
		all = append(all, sign+" "+l)
	}
	return all
}

// differences are the sentences of one side only, marked by it and sorted.
func differences(theirs, ours []string) []string {
	var all []string
	for _, s := range theirs {
		if !slices.Contains(ours, s) {
			all = append(all, "- "+s)
		}
	}
	for _, s := range ours {
		if !slices.Contains(theirs, s) {
			all = append(all, "+ "+s)
		}
	}
	slices.Sort(all)
	return all
}

// checkVersions: objects are of the version that the Istio of the document serves.
func checkVersions(t *testing.T, facts mesh.Facts, objs []*unstructured.Unstructured) {
	t.Helper()
	for _, o := range objs {
		want := recipe.Group + "/" + facts.Networking
		switch o.GetKind() {
		case "ConfigMap", "Secret":
			continue
		case "EnvoyFilter":
			want = recipe.Group + "/v1alpha3"
		}
		if o.GetAPIVersion() != want {
			t.Errorf("%s %s is %s, Istio %s serves %s", o.GetKind(), o.GetName(), o.GetAPIVersion(), facts.Version, want)
		}
	}
}

// TestEveryBlockHasItsPlace: each file of each document is in one group or installation at least, and nothing else is named.
func TestEveryBlockHasItsPlace(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		there, err := filepath.Glob(filepath.Join(documentsDir, d.folder, "*"))
		if err != nil || len(there) == 0 {
			t.Fatalf("%s: no blocks (%v)", d.folder, err)
		}
		named := map[string]bool{}
		for _, g := range d.groups {
			for _, b := range g.blocks {
				named[b] = true
			}
		}
		for _, i := range d.installs {
			for _, b := range i.blocks {
				named[b] = true
			}
		}
		for _, file := range there {
			if name := filepath.Base(file); !named[name] {
				t.Errorf("%s/%s is in no row of the table", d.folder, name)
			} else {
				delete(named, name)
			}
		}
		for name := range named {
			t.Errorf("%s/%s is in the table and not there", d.folder, name)
		}
	}
}

// TestEveryObjectIsRead: what is Istio's traffic configuration is in a group, what is for Kubernetes to run in an installation.
func TestEveryObjectIsRead(t *testing.T) {
	t.Parallel()
	for _, d := range documents {
		grouped, installed := map[string]bool{}, map[string]bool{}
		for _, g := range d.groups {
			for _, b := range g.blocks {
				grouped[b] = true
			}
		}
		for _, i := range d.installs {
			for _, b := range i.blocks {
				installed[b] = true
			}
		}
		files, err := filepath.Glob(filepath.Join(documentsDir, d.folder, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name := filepath.Base(file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "-values.yaml") {
				continue // no objects
			}
			for _, o := range decode(t, name, text) {
				traffic := strings.HasPrefix(o.GetAPIVersion(), recipe.Group+"/")
				if traffic && !grouped[name] || !traffic && !installed[name] {
					t.Errorf("%s/%s: nobody reads %s %s", d.folder, name, o.GetKind(), o.GetName())
				}
			}
		}
	}
}

// readBlocks reads Istio's objects, and Services, of a group. Lists are taken apart, and what is for Kubernetes itself is left to the
// installations.
func readBlocks(t *testing.T, d document, g group) []*unstructured.Unstructured {
	t.Helper()
	var objs []*unstructured.Unstructured
	for _, b := range g.blocks {
		text, err := os.ReadFile(filepath.Join(documentsDir, d.folder, b))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range decode(t, b, text) {
			if o.GetNamespace() == "" {
				o.SetNamespace(g.namespaces[b])
			}
			if strings.HasPrefix(o.GetAPIVersion(), recipe.Group+"/") || o.GetKind() == "Service" {
				objs = append(objs, o)
			}
		}
	}
	return objs
}

func decode(t *testing.T, name string, text []byte) []*unstructured.Unstructured {
	t.Helper()
	var objs []*unstructured.Unstructured
	for dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return objs
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !u.IsList() {
			objs = append(objs, u)
			continue
		}
		list, err := u.ToList()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range list.Items {
			objs = append(objs, &list.Items[i])
		}
	}
}

// parseCommand takes a render line for what it says, with what render assumes where it says nothing. That the program itself
// takes it so is tested where the program is: see hack/docs.
func parseCommand(t *testing.T, line string) (egress.Set, mesh.Facts) {
	t.Helper()
	rest, ok := strings.CutPrefix(line, "kubectl egress render ")
	if !ok {
		t.Fatalf("%q is no render line", line)
	}
	var d egress.Declaration
	version, selector := "1.31", "istio=egressgateway"
	flags := pflag.NewFlagSet(line, pflag.ContinueOnError)
	flags.StringSliceVar(&d.Domains, "domains", nil, "")
	flags.StringVar(&d.Mode, "mode", "", "")
	flags.StringVar(&d.MTLS, "mtls", "on", "")
	flags.StringVar(&d.Gateway, "gateway", "", "")
	flags.StringVar(&d.CommonHost, "common-host", "", "")
	flags.StringVar(&d.Credential, "credential", "", "")
	flags.StringVar(&d.CASecret, "ca-secret", "", "")
	flags.BoolVar(&d.LegacyCerts, "legacy-certs", false, "")
	flags.StringVar(&version, "istio-version", version, "")
	flags.StringVar(&selector, "gateway-selector", selector, "")
	if err := flags.Parse(strings.Fields(strings.ReplaceAll(rest, "'", ""))); err != nil || flags.NArg() > 0 {
		t.Fatalf("%s: %v %q", line, err, flags.Args())
	}
	if d.Gateway == "" && d.Mode != string(egress.Direct) {
		d.Gateway = "istio-system/istio-egressgateway"
	}
	set, err := egress.ParseSet(d)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	set = set.Resolved(set.Gateway, set.MTLS == egress.MTLSOn)
	return set, factsOf(t, set, version, selector)
}

// factsOf are what render assumes of a mesh that nobody looked at.
func factsOf(t *testing.T, set egress.Set, version, selector string) mesh.Facts {
	t.Helper()
	v, err := mesh.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := labels.ConvertSelectorToLabelsMap(selector)
	if err != nil {
		t.Fatal(err)
	}
	facts := mesh.Facts{
		Version: v, RootNamespace: "istio-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local", Networking: "v1",
		Gateways: []mesh.Gateway{{
			Namespace: set.Gateway.Namespace, Service: set.Gateway.Service, Selector: chosen,
			ServiceAccount: set.Gateway.Service + "-service-account",
			Ports:          []mesh.Port{{Name: "http2", Number: 80, Target: 8080}, {Name: "https", Number: 443, Target: 8443}},
			SNIProxy:       &mesh.SNIProxy{Container: "sni-proxy", Port: 18443},
		}},
	}
	switch {
	case !v.AtLeast(1, 5):
		facts.Networking = "v1alpha3"
	case !v.AtLeast(1, 22):
		facts.Networking = "v1beta1"
	}
	return facts
}

// updating says whether golden files are to be written: the flag belongs to the package's other tests.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}
