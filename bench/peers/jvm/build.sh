# Sourced with the name of a peer: its libraries, by Maven coordinates, go to $jars, and it is compiled to $classes.
peer="$1"
home="${XDG_CACHE_HOME:-$HOME/.cache}/kgroot/peers/$peer"
jars="$home/jars"
classes="$home/classes"
folder_of_peer="$(dirname "${BASH_SOURCE[0]}")/../$peer"
need() { command -v "$1" >/dev/null || { echo "$peer needs $1: install $2" >&2; exit 3; }; }
need javac openjdk-17-jdk-headless
if ! cmp -s "$folder_of_peer/pom.xml" "$home/pom.xml"; then
  need mvn maven
  rm -rf "$jars" "$classes"
  mvn -q -B -f "$folder_of_peer/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
  cp "$folder_of_peer/pom.xml" "$home/pom.xml"
fi
mkdir -p "$classes"
javac -Xlint:all -Xlint:-serial -Xlint:-processing -Xlint:-classfile -proc:none -cp "$jars/*" -d "$classes" "$(dirname "${BASH_SOURCE[0]}")"/*.java "$folder_of_peer"/*.java >&2
