// Package offline fills a snapshot from files that other programs wrote: objects as YAML or JSON, configuration dumps of Envoy, an
// archive of istioctl bug-report. It stands in for the cluster and has package gather read it, so that what is discovered and
// judged is the same as live. Of what is not among the files it says so (snapshot.NotGiven); it never takes it for absent.
package offline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
)

// Files are what was given, by kind. Make one with New, Add every file, then Load.
type Files struct {
	objects map[string][]json.RawMessage // by resource and group, as "gateways.networking.istio.io"
	named   map[string]string            // which file an object came from, so that two of one name are seen
	proxies []*envoy                     // in the order of the files
	used    int
}

// New is without any file.
func New() *Files {
	return &Files{objects: map[string][]json.RawMessage{}, named: map[string]string{}}
}

// maxText bounds one file of objects, in bytes; a configuration dump is bounded by what reads it.
const maxText = 64 << 20

// Add takes a file. Its name decides where it is one of an istioctl bug-report, elsewhere what is in it does. The error names what
// is wrong, not the file.
func (f *Files) Add(name string, text []byte) error {
	f.used++
	if where, ok := placed(name); ok {
		return f.reply(where, text)
	}
	head := bytes.TrimSpace(text[:min(len(text), 4096)])
	if bytes.HasPrefix(head, []byte("{")) && isDump(text) {
		d, err := readDump(text)
		if err != nil {
			return err
		}
		return f.proxy(d)
	}
	if len(text) > maxText {
		return fmt.Errorf("more than %d MiB", maxText>>20)
	}
	return f.addObjects(name, text)
}

// place is where an istioctl bug-report keeps a reply of a proxy's Envoy, and its log: proxies/NAMESPACE/POD/QUESTION.
type place struct{ namespace, pod, question string }

const proxyLog = "istio-proxy.log"

func placed(name string) (place, bool) {
	parts := strings.Split(path.Clean(name), "/")
	i := slices.Index(parts, "proxies")
	if i < 0 || len(parts) != i+4 {
		return place{}, false
	}
	question, _, _ := strings.Cut(parts[i+3], "?")
	return place{parts[i+1], parts[i+2], question}, slices.Contains([]string{"config_dump", "clusters", "certs", proxyLog}, question)
}

// Wanted says whether a file of an istioctl bug-report is read at all: metrics and istiod's logs are not, nor is what kubectl describes.
func Wanted(name string) bool {
	if _, ok := placed(name); ok {
		return true
	}
	dir, base := path.Split(name)
	return path.Base(dir) == "cluster" && slices.Contains([]string{"crs", "k8s-resources"}, base)
}

// IsReport says whether the files of an archive are those of an istioctl bug-report.
func IsReport(files map[string][]byte) bool {
	for name := range files {
		if Wanted(name) {
			return true
		}
	}
	return false
}

// reply takes what a proxy's Envoy said.
func (f *Files) reply(at place, text []byte) error {
	e := f.envoyOf(at.namespace, at.pod)
	switch at.question {
	case "clusters":
		hosts, err := hostsJSON(text)
		e.hosts = hosts
		return err
	case "certs":
		if !json.Valid(text) {
			return fmt.Errorf("certificates of %s/%s: no JSON", at.namespace, at.pod)
		}
		e.certs = text
		return nil
	case proxyLog:
		e.log = text
		return nil
	}
	d, err := readDump(text)
	if err != nil {
		return err
	}
	d.namespace, d.pod = at.namespace, at.pod
	d.hosts, d.certs, d.log = e.hosts, e.certs, e.log
	if d.hosts == nil {
		d.hosts = d.endpoints
	}
	*e = *d
	return nil
}

func (f *Files) envoyOf(namespace, pod string) *envoy {
	for _, e := range f.proxies {
		if e.namespace == namespace && e.pod == pod {
			return e
		}
	}
	e := &envoy{namespace: namespace, pod: pod}
	f.proxies = append(f.proxies, e)
	return e
}

// proxy takes a configuration dump that says by itself whose it is.
func (f *Files) proxy(d *envoy) error {
	if d.pod == "" {
		return fmt.Errorf("a configuration dump without bootstrap does not say whose it is: take all of it, config_dump?include_eds")
	}
	if e := f.envoyOf(d.namespace, d.pod); e.lists != nil {
		return fmt.Errorf("a configuration dump of %s/%s is there already", d.namespace, d.pod)
	}
	d.hosts = d.endpoints
	*f.envoyOf(d.namespace, d.pod) = *d
	return nil
}

// Load makes the snapshot. The options are those of a live gathering.
func (f *Files) Load(ctx context.Context, o gather.Options) (*snapshot.Snapshot, error) {
	if len(f.objects) == 0 && len(f.proxies) == 0 {
		return nil, fmt.Errorf("none of %d files holds an object of Kubernetes or a configuration dump of Envoy", f.used)
	}
	istio := f.has(istioGroups...)
	f.proxies = slices.DeleteFunc(f.proxies, func(e *envoy) bool { return e.lists == nil })
	if err := f.standIn(); err != nil {
		return nil, err
	}
	c := &client{f}
	o.Logs = c.logs
	s, err := gather.Gather(ctx, c, o)
	if err != nil {
		return nil, err
	}
	for i := range s.Proxies {
		if p := &s.Proxies[i]; p.Log.State.Kind == snapshot.Absent {
			p.Log = snapshot.Log{} // as if nobody had asked
		}
	}
	s.Taken = time.Time{} // nobody knows
	f.unread(s)
	f.lookedUp(s)
	f.states(s, istio)
	if !istio {
		s.Seen = seen(s)
	}
	assume(s)
	return s, nil
}

var istioGroups = []string{"networking.istio.io", "security.istio.io", "telemetry.istio.io"}

// has says whether there is any object of the API groups.
func (f *Files) has(groups ...string) bool {
	for key := range f.objects {
		_, group, _ := strings.Cut(key, ".")
		if slices.Contains(groups, group) {
			return true
		}
	}
	return false
}

// states says of every source whether files can tell of it. Istio's objects come together: who gives some gives all.
func (f *Files) states(s *snapshot.Snapshot, istio bool) {
	missing := func(what string) snapshot.State { return snapshot.State{Kind: snapshot.NotGiven, Detail: what} }
	for source := range s.States {
		switch source {
		case snapshot.Pods:
			if len(s.Proxies) == 0 {
				s.States[source] = missing("no configuration of a proxy is among the files")
			}
		case snapshot.Services:
			if f.objects[services] == nil {
				s.States[source] = missing("no Service is among the files")
			}
		case snapshot.Facts:
			s.States[source] = snapshot.State{Kind: snapshot.Read}
			if f.objects[deployments] == nil {
				s.States[source] = missing("facts about the mesh are Istio's defaults")
			}
		case snapshot.Sets:
			if f.objects[configMaps] == nil && !istio {
				s.States[source] = missing("no ConfigMap is among the files")
			}
		default:
			if !istio {
				s.States[source] = missing("no object of Istio is among the files")
			}
		}
	}
	var notes []string
	if !istio {
		notes = append(notes, "objects of Istio")
	}
	if len(s.Proxies) == 0 {
		notes = append(notes, "configurations of proxies")
	}
	if f.objects[deployments] == nil {
		notes = append(notes, "facts about the mesh")
	}
	if len(notes) > 0 {
		s.Notes = append(s.Notes, "not among the files: "+strings.Join(notes, ", ")+"; checks that need them are skipped")
	}
}
