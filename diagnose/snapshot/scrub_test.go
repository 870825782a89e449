package snapshot

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/stats/admin"
)

const (
	testKey   = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----\n"
	testToken = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06In0.c2lnbmF0dXJl"
)

// loaded is a snapshot with a secret in every place where text of other people ends up.
func withSecrets(t *testing.T) (s *Snapshot, secrets []string) {
	t.Helper()
	s = sample(t)
	mark := func(i string) string { secrets = append(secrets, "S3cr3t-"+i); return "S3cr3t-" + i }
	s.Notes = append(s.Notes, "failed with token "+testToken, "GET https://user:"+mark("url")+"@registry.example/")
	s.States[Telemetries] = State{Kind: Failed, Detail: "Authorization: Bearer " + mark("bearer-000000")}
	p := &s.Proxies[0]
	p.ProxyConfig = "concurrency: 2\nproxyMetadata:\n  DB_URL: " + mark("env") + "\n  API_TOKEN: " + mark("env2") + "\nprivateKeyProvider: {cryptomb: {pollDelay: 10ms}}\n"
	p.Labels = map[string]string{"app": "x", "example.com/api-token": mark("label")}
	p.Config.Listeners = append(p.Config.Listeners, admin.Listener{Name: "bad", Rejected: &admin.Rejection{Detail: "cannot parse " + testKey}})
	var ef EnvoyFilter
	text := `{"metadata":{"name":"e","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"` + mark("annotation") + `"}},"spec":{"configPatches":[{"patch":{"value":{
		"tls_certificate":{"private_key":{"inline_string":"` + mark("inline") + `"},"password":{"inline_bytes":"` + mark("bytes") + `"}},
		"headers":[{"key":"x","value":"Basic dXNlcjpwYXNzd29yZA=="}], "client_secret":"` + mark("oauth") + `", "name":"envoy.filters.http.oauth2"}}}]}}`
	if err := json.Unmarshal([]byte(text), &ef); err != nil {
		t.Fatal(err)
	}
	s.Objects.EnvoyFilters = []EnvoyFilter{ef}
	return s, append(secrets, testToken, "MIIEvQIBADANBgkqhkiG9w0BAQ", "dXNlcjpwYXNzd29yZA")
}

// TestNothingSecretIsSaved searches both forms of a capture for what was put in everywhere.
func TestNothingSecretIsSaved(t *testing.T) {
	t.Parallel()
	s, secrets := withSecrets(t)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, secret := range secrets {
		if bytes.Contains(raw, []byte(secret)) {
			there++
		}
	}
	if there < 6 {
		t.Fatalf("only %d of %d secrets are in the snapshot: the test would prove nothing", there, len(secrets))
	}
	var plain bytes.Buffer
	if err := s.Save(&plain); err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string][]byte{"JSON": plain.Bytes(), "archive": unzipped(t, archived(t, s))} {
		for _, secret := range append(secrets, "PRIVATE KEY") {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %s", form, secret)
			}
		}
		if !bytes.Contains(text, []byte(Removed)) || !bytes.Contains(text, []byte("concurrency: 2")) {
			t.Errorf("%s: more was taken away than is secret", form)
		}
		got, err := Load(bytes.NewReader(plain.Bytes()))
		if err != nil || got.Proxies[0].Labels["app"] != "x" {
			t.Errorf("%s cannot be loaded: %v", form, err)
		}
	}
}

func TestScrubKeepsNames(t *testing.T) {
	t.Parallel()
	keep := map[string]any{
		"credentialName": "cnn-client", "secretName": "s", "name": "authorization", "secrets": []any{"kubernetes://cnn"}, "sni": "a.b.c",
		"detail": "forbidden: basic auth is not enough", "host": "https://a.example.com:443/x@y", "count": json.Number("18446744073709551615"),
	}
	want, err := json.Marshal(keep)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(scrub(keep))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestScrubConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"# mine\nconcurrency: 1\n":     "# mine\nconcurrency: 1\n",
		"proxyMetadata: {A: b, C: ''}": "proxyMetadata:\n  A: '[removed]'\n  C: \"\"\n",
		"{{ no YAML":                   "",
	} {
		if diff := cmp.Diff(want, scrubConfig(text)); diff != "" {
			t.Errorf("%q: -want +got\n%s", text, diff)
		}
	}
	if got := scrubConfig("proxyStatsMatcher: {inclusionRegexps: ['" + strings.Repeat("a", 40) + "']}"); !strings.Contains(got, "aaaa") {
		t.Errorf("%q", got)
	}
}
