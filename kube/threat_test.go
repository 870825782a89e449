package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// TestNoRedirectElsewhere: whatever is asked for, an API server that points to another host is not followed, and the credentials stay.
func TestNoRedirectElsewhere(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		t.Errorf("%s %s came with Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	for _, readOnly := range []bool{true, false} {
		c := connect(t, s.URL, Options{ReadOnly: readOnly})
		ctx := t.Context()
		for name, do := range map[string]func() error{
			"get": func() error { return c.Get(ctx, configMaps, "shop", "a", &named{}) },
			"list": func() error {
				return c.List(ctx, gateways, "", ListOptions{}, func(json.RawMessage) error { return nil })
			},
			"apply":    func() error { _, err := c.Apply(ctx, configMaps, object("a"), ApplyOptions{DryRun: true}); return err },
			"delete":   func() error { return c.Delete(ctx, configMaps, "shop", "a", DeleteOptions{DryRun: true, UID: "u"}) },
			"versions": func() error { _, err := c.ServedVersions(ctx, "networking.istio.io"); return err },
			"logs":     func() error { _, err := c.Logs(ctx, Pod{"shop", "a", ""}, LogOptions{}); return err },
			"exec":     func() error { return c.Exec(ctx, Pod{"shop", "a", ""}, []string{"true"}, nil, nil) },
			"forward":  func() error { _, err := c.PortForward(ctx, "shop", "a", envoyPort); return err },
			"envoy":    func() error { _, err := c.EnvoyGet(ctx, "shop", "a", "/stats"); return err },
		} {
			err := do()
			if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%s: %v", name, err)
			}
			if name == "get" && (!errors.Is(err, errElsewhere) || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "API server of the kubeconfig only")) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if reached.Load() > 0 {
		t.Errorf("%d requests reached the other host", reached.Load())
	}
}

// TestRedirectOnTheSameHost, such as one that a proxy makes to tidy a path, is followed.
func TestRedirectOnTheSameHost(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("again") == "" {
			http.Redirect(w, r, r.URL.Path+"?again=1", http.StatusTemporaryRedirect)
			return
		}
		answer(t, w, http.StatusOK, item("a"))
	})
	var got named
	if err := connect(t, s.URL, Options{}).Get(t.Context(), configMaps, "shop", "a", &got); err != nil || got.Metadata.Name != "a" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestEndlessAnswer: an answer without an end ends at the bound.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	var sent atomic.Int64
	filler := []byte(strings.Repeat(" ", 64<<10))
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for {
			n, err := w.Write(filler)
			sent.Add(int64(n))
			if err != nil {
				return // the client has had enough
			}
		}
	}))
	t.Cleanup(next.Close)
	h := &home{scheme: "http", host: strings.TrimPrefix(next.URL, "http://"), next: http.DefaultTransport, most: most}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, next.URL+"/api/v1/pods", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, got.Body)
	if !errors.Is(err, errTooLong) || n != most {
		t.Errorf("%d bytes, %v; want %d and an error", n, err, most)
	}
	if err := got.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestTooLongIsToldAsThat, and not as an API server that cannot be reached.
func TestTooLongIsToldAsThat(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusOK, item(strings.Repeat("a", 4096)))
	})
	c := connect(t, s.URL, Options{})
	c.config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &home{scheme: "http", host: strings.TrimPrefix(s.URL, "http://"), next: next, most: 1024}
	})
	err := c.Get(t.Context(), configMaps, "shop", "a", &named{})
	if err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "the API server's answer is too long") {
		t.Errorf("%v", err)
	}
}

// TestEndlessList: a list whose pages always name another one ends at the bound, not with the memory.
func TestEndlessList(t *testing.T) {
	t.Parallel()
	page := 0
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		page++
		answer(t, w, http.StatusOK, map[string]any{"metadata": map[string]any{"continue": strconv.Itoa(page)}, "items": []any{}})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err := connect(t, s.URL, Options{QPS: -1}).List(ctx, gateways, "", ListOptions{}, func(json.RawMessage) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "list does not end") || page != maxPages {
		t.Errorf("after %d pages: %v", page, err)
	}
}

// TestStrangeAnswers: what is no answer of an API server is an error of one line that tells what was being done.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 200_000)
	for name, body := range map[string]string{
		"a page":           "<html><body>\x1b[31mlogin</body></html>",
		"nothing":          "",
		"deep JSON":        deep,
		"deep list":        strings.Repeat("[", 200_000),
		"a number":         "42",
		"a huge number":    `{"metadata":{"name":1` + strings.Repeat("0", 400) + `}}`,
		"half an object":   `{"metadata":{"name":"a`,
		"two objects":      `{"metadata":{"name":"a"}}{"metadata":{"name":"b"}}`,
		"no UTF-8":         "{\"metadata\":{\"name\":\"\xff\xfe\"",
		"control as is":    "{\"metadata\":{\"name\":\"\x1b[31m\"}}",
		"packed as a lie":  "\x1f\x8b\x08\x00",
		"protobuf":         "k8s\x00\n\x0c",
		"continue is true": `{"metadata":{"continue":true},"items":[]}`,
		"items is an item": `{"metadata":{},"items":{"a":1}}`,
	} {
		for _, kind := range []string{"application/json", "text/html", "application/vnd.kubernetes.protobuf", ""} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{kind}
				if _, err := io.WriteString(w, body); err != nil {
					t.Logf("%s: %v", name, err)
				}
			})
			c := connect(t, s.URL, Options{})
			for verb, err := range map[string]error{
				"list": c.List(t.Context(), gateways, "", ListOptions{}, func(json.RawMessage) error { return nil }),
				"get":  c.Get(t.Context(), gateways, "shop", "a", &named{}),
			} {
				if (name == "continue is true" || name == "items is an item") && verb == "get" || name == "a huge number" && verb == "list" {
					continue // has nothing wrong in what is read of it
				}
				if err == nil || strings.ContainsAny(err.Error(), "\n\x1b") || !utf8.ValidString(err.Error()) || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "gateways") && !strings.Contains(err.Error(), "gateway.") {
					t.Errorf("%s as %q, %s: %.300v", name, kind, verb, err)
				}
			}
		}
	}
}

// TestSlowAnswer: an API server that says a byte a while is ended by the context, as a time-out.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				fmt.Fprint(w, " ")
				if f, ok := w.(http.Flusher); ok {
					f.Flush()
				}
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := connect(t, s.URL, Options{}).Get(ctx, configMaps, "shop", "a", &named{})
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want a time-out", err)
	}
}
