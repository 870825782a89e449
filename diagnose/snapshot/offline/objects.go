package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	yamlv2 "sigs.k8s.io/yaml/goyaml.v2"

	"sigs.k8s.io/yaml"
)

// The keys of objects that this package itself asks for.
const (
	pods        = "pods."
	services    = "services."
	deployments = "deployments.apps"
	configMaps  = "configmaps."
)

// head is what tells objects apart.
type head struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Items      []json.RawMessage `json:"items"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// key names the resource of a kind with its group: lower case and plural, as Kubernetes makes it.
func (h head) key() string {
	group, _, grouped := strings.Cut(h.APIVersion, "/")
	if !grouped {
		group = ""
	}
	plural := strings.ToLower(h.Kind)
	switch {
	case strings.HasSuffix(plural, "y") && !strings.HasSuffix(plural, "ay"):
		plural = strings.TrimSuffix(plural, "y") + "ies"
	case strings.HasSuffix(plural, "s"):
		plural += "es"
	default:
		plural += "s"
	}
	return plural + "." + group
}

// addObjects takes the documents of a YAML or JSON file.
func (f *Files) addObjects(name string, text []byte) error {
	return documents(text, func(doc []byte) error {
		raw, err := toJSON(doc)
		if err != nil {
			return err
		}
		return f.object(name, raw, 0)
	})
}

// maxLists is how deep lists of lists are followed.
const maxLists = 3

func (f *Files) object(file string, raw []byte, depth int) error {
	if t := bytes.TrimSpace(raw); len(t) == 0 || t[0] != '{' {
		return nil // nothing, or values for a template: no object
	}
	var h head
	if err := json.Unmarshal(raw, &h); err != nil {
		return err
	}
	switch {
	case h.APIVersion == "" || h.Kind == "" || h.Kind == "Secret":
		return nil // a Secret is never even kept
	case h.Items != nil && strings.HasSuffix(h.Kind, "List"):
		if depth == maxLists {
			return errors.New("lists in lists in lists")
		}
		for _, item := range h.Items {
			if err := f.object(file, item, depth+1); err != nil {
				return err
			}
		}
		return nil
	case h.Metadata.Name == "":
		return nil
	}
	if h.Metadata.Namespace == "" && namespaced(h.Kind) {
		h.Metadata.Namespace = "default"
		var err error
		if raw, err = inNamespace(raw, h.Metadata.Namespace); err != nil {
			return err
		}
	}
	id := h.key() + " " + h.Metadata.Namespace + "/" + h.Metadata.Name
	if first, twice := f.named[id]; twice {
		if first == file || strings.HasPrefix(h.Kind, "Event") {
			return fmt.Errorf("%s %s/%s is there twice", h.Kind, h.Metadata.Namespace, h.Metadata.Name)
		}
		return fmt.Errorf("%s %s/%s is also in %s: which one holds?", h.Kind, h.Metadata.Namespace, h.Metadata.Name, first)
	}
	f.named[id] = file
	f.objects[h.key()] = append(f.objects[h.key()], raw)
	return nil
}

// namespaced says whether an object without a namespace is one that kubectl would put into one. Others are of no use here.
func namespaced(kind string) bool {
	return kind != "Namespace" && kind != "Node" && !strings.HasPrefix(kind, "Cluster")
}

func inNamespace(raw []byte, namespace string) ([]byte, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	var meta map[string]json.RawMessage
	if err := json.Unmarshal(o["metadata"], &meta); err != nil {
		return nil, err
	}
	var err error
	if meta["namespace"], err = json.Marshal(namespace); err != nil {
		return nil, err
	}
	if o["metadata"], err = json.Marshal(meta); err != nil {
		return nil, err
	}
	return json.Marshal(o)
}

// documents hands out the documents of a YAML stream; JSON is one document.
func documents(text []byte, each func([]byte) error) error {
	var doc []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("---")) || len(bytes.TrimSpace(bytes.TrimLeft(line, "-"))) > 0 {
			doc = append(doc, line...)
			continue
		}
		if err := each(doc); err != nil {
			return err
		}
		doc = nil // it may be kept
	}
	return each(doc)
}

// alias fits what may be an alias of YAML; text in quotes may fit as well.
var alias = regexp.MustCompile(`(?m)(^|[\s\[{,])\*[A-Za-z0-9_-]`)

// toJSON reads a document. Aliases may name what is large again and again, so that a small file becomes a huge one: where there may
// be any, what they make is measured before it is made.
func toJSON(doc []byte) ([]byte, error) {
	if t := bytes.TrimSpace(doc); len(t) == 0 {
		return nil, nil
	} else if t[0] == '{' && json.Valid(t) {
		return t, nil
	}
	if alias.Match(doc) {
		var tree any
		if err := yamlv2.Unmarshal(doc, &tree); err != nil {
			return nil, oneLine(err)
		}
		most := 16*len(doc) + 1<<20
		if size(tree, most) > most {
			return nil, errors.New("aliases make it many times as long as it is")
		}
	}
	raw, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return nil, oneLine(err)
	}
	return raw, nil
}

// oneLine keeps a message fit for an error of one line.
func oneLine(err error) error { return errors.New(strings.Join(strings.Fields(err.Error()), " ")) }

// size is about how long a tree is as text, or more than most if it is longer.
func size(v any, most int) int {
	n := 2
	switch v := v.(type) {
	case string:
		n += len(v)
	case []any:
		for _, e := range v {
			if n += size(e, most-n); n > most {
				return n
			}
		}
	case map[any]any:
		for k, e := range v {
			if n += size(k, most-n) + size(e, most-n); n > most {
				return n
			}
		}
	default:
		n += 8
	}
	return n
}
