package snapshot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Removed stands where something secret was.
const Removed = "[removed]"

// secretWords are parts of names of members whose text is never saved: an EnvoyFilter may hold anything, and the annotation
// proxy.istio.io/config sets environment variables. References to a Secret (secretName, credential) are names and stay.
var secretWords = []string{"password", "passwd", "token", "privatekey", "apikey", "authorization", "cookie", "proxymetadata", "accesskey", "clientsecret", "inlinebytes"}

// hidden fits text that is secret whatever it is called: a private key in PEM, a JSON Web Token, credentials of HTTP.
var hidden = regexp.MustCompile(`PRIVATE KEY-----|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.|(?i)\b(bearer|basic)\s+[A-Za-z0-9+/_.=-]{12,}|://[^/\s:@]+:[^/\s@]+@`)

// scrubbed is the JSON of a snapshot without what must not leave the cluster.
func (s *Snapshot) scrubbed() (map[string]any, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber() // counters have 64 bits
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	scrub(tree)
	return tree, nil
}

// scrub replaces what is secret by Removed, in place.
func scrub(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			text, isText := value.(string)
			switch {
			case isText && name == "proxyConfig":
				v[name] = scrubConfig(text)
			case secret(name):
				v[name] = blank(value)
			default:
				v[name] = scrub(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = scrub(v[i])
		}
	case string:
		if hidden.MatchString(v) {
			return Removed
		}
	}
	return v
}

func secret(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	for _, w := range secretWords {
		if strings.Contains(name, w) && name != "authorizationpolicies" { // those are a kind of object
			return true
		}
	}
	return false
}

// blank keeps the shape of what is secret, so that it can be decoded as before.
func blank(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = blank(v[name])
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i])
		}
	case string:
		if v != "" {
			return Removed
		}
	}
	return v
}

// scrubConfig takes what is secret out of a ProxyConfig, which is YAML in an annotation. One that cannot be read is not kept.
func scrubConfig(text string) string {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return ""
	}
	before := fmt.Sprint(config)
	scrub(config)
	if fmt.Sprint(config) == before {
		return text // as it was written
	}
	out, err := yaml.Marshal(config)
	if err != nil {
		return ""
	}
	return string(out)
}
