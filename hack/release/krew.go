package main

import (
	"fmt"
	"strings"
)

// krewName is the plugin's name in krew's index, which refuses generic names; `kubectl istio-egress` is how it is called then.
const krewName = "istio-egress"

const home = "https://github.com/kubectl-egress/kubectl-egress"

// krewTemplate is .krew.yaml, which krew-release-bot fills in at each release.
func (c config) krewTemplate() string {
	return `# Template for krew-release-bot, which fills in the tag, and address and checksum of each archive, at every release.
# krew refuses generic names, so the plugin is called ` + krewName + " there: `kubectl " + krewName + "`.\n" +
		"# Made of .goreleaser.yaml by 'make krew'.\n" +
		c.krew("{{ .TagName }}", c.platforms(), func(p platform) string {
			return fmt.Sprintf("{{addURIAndSha %q .TagName }}", home+"/releases/download/{{ .TagName }}/"+c.archive(p))
		})
}

// krewManifest is the manifest of one version. base is where its archives lie.
func (c config) krewManifest(version, base string, platforms []platform, checksums map[platform]string) string {
	if base == "" {
		base = home + "/releases/download/" + version
	}
	return c.krew(version, platforms, func(p platform) string {
		return fmt.Sprintf("uri: %s/%s\n      sha256: %s", base, c.archive(p), checksums[p])
	})
}

func (c config) krew(version string, platforms []platform, source func(platform) string) string {
	var b strings.Builder
	b.WriteString(`apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: ` + krewName + `
spec:
  version: ` + version + `
  homepage: ` + home + `
  shortDescription: Apply, prove and diagnose Istio egress gateways
  description: |
    Declare which hosts outside an Istio mesh workloads may reach, and have
    their traffic leave through an egress gateway. The plugin puts the
    documented Istio configuration on the cluster, shows from the real
    configuration of both Envoys that traffic takes that way, says why when it
    does not, and takes exactly its own objects away again.
  caveats: |
    An Istio egress gateway has to be installed in the cluster.
    For completion run once: kubectl ` + krewName + ` completion install
  platforms:
`)
	for _, p := range platforms {
		fmt.Fprintf(&b, `    - selector:
        matchLabels: {os: %s, arch: %s}
      %s
      bin: %s
      files:
        - {from: %s, to: .}
        - {from: LICENSE, to: .}
`, p.os, p.arch, source(p), c.binary(p), c.binary(p))
	}
	return b.String()
}
