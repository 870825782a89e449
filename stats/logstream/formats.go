package logstream

import (
	"context"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-egress/kubectl-egress/kube"
	"github.com/kubectl-egress/kubectl-egress/stats/accesslog"
)

// meshFormats is what MeshConfig says about formats: its own, and those of the providers that Telemetry objects choose from.
type meshFormats struct {
	AccessLogFormat    string `json:"accessLogFormat"`
	ExtensionProviders []struct {
		EnvoyFileAccessLog struct {
			LogFormat struct {
				Text   string         `json:"text"`
				Labels map[string]any `json:"labels"`
			} `json:"logFormat"`
		} `json:"envoyFileAccessLog"`
	} `json:"extensionProviders"`
}

// Formats reads the mesh's own access log formats: accessLogFormat of MeshConfig and those of its extensionProviders, which are what a
// Telemetry object can choose. A mesh without any has none, and a ConfigMap that is not there is no error.
func Formats(ctx context.Context, c Client, namespace, revision string) ([]*accesslog.Template, error) {
	name := "istio"
	if revision != "" && revision != "default" {
		name += "-" + revision
	}
	var object struct {
		Data map[string]string `json:"data"`
	}
	configMaps := kube.Resource{Version: "v1", Resource: "configmaps"}
	if err := c.Get(ctx, configMaps, namespace, name, &object); err != nil {
		return nil, err
	}
	return parseFormats(object.Data["mesh"])
}

func parseFormats(mesh string) ([]*accesslog.Template, error) {
	var config meshFormats
	if err := yaml.Unmarshal([]byte(mesh), &config); err != nil {
		return nil, fmt.Errorf("read the mesh configuration: %w", err)
	}
	texts := []string{config.AccessLogFormat}
	for _, p := range config.ExtensionProviders {
		format := p.EnvoyFileAccessLog.LogFormat
		texts = append(texts, format.Text)
		if len(format.Labels) > 0 {
			labels, err := json.Marshal(format.Labels)
			if err != nil {
				return nil, fmt.Errorf("read the mesh configuration: %w", err)
			}
			texts = append(texts, string(labels))
		}
	}
	var all []*accesslog.Template
	for _, text := range texts {
		if text == "" {
			continue
		}
		t, err := accesslog.ParseTemplate(text)
		if err != nil {
			return all, fmt.Errorf("the mesh's access log format: %w", err)
		}
		all = append(all, t)
	}
	return all, nil
}
